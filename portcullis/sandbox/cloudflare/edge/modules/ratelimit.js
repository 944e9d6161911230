// The `ratelimit` binding: `await env.LIMITER.limit({ key })` answers `{ success }`. The sandbox counts, so that every
// version of every Worker with the same namespace counts together, as within one of Cloudflare's locations.
export default function wrap({ service, settings }) {
  return {
    async limit(options) {
      const key = options?.key;
      if (typeof key !== "string") {
        throw new TypeError("limit() needs { key: string }");
      }
      const answer = await service.fetch("http://ratelimit/", {
        method: "POST",
        body: JSON.stringify({ ...settings, key }),
      });
      if (!answer.ok) {
        throw new Error(`rate limiter failed: ${answer.status}`);
      }
      return answer.json();
    },
  };
}
