export default {
  async scheduled(controller, env) {
    await env.KV.put("ran", `${controller.cron} at ${controller.scheduledTime}`);
  },
};
