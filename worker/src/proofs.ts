/**
 * The Worker that remembers used DPoP proofs, apart from the gateway: Cloudflare binds the life of a Durable Object class
 * to the Worker that has it, and the gateway's versions come and go with every rotation. Nobody can reach it but by the
 * gateway's binding.
 */
export { ReplayGuard } from "./possession/replay_guard";

export default {
  fetch: () => new Response(null, { status: 404 }),
} satisfies ExportedHandler;
