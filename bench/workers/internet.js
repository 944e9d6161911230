// Every Worker's way out: leads to a service of the same process by hostname. `/count` of no such host tells how often
// it was used.
const asked = { upstream: 0, fetches: 0 };

export default {
  fetch(request, env) {
    const { hostname, pathname } = new URL(request.url);
    if (hostname === env.APIGEE_HOST) {
      asked.upstream += 1;
      return env.UPSTREAM.fetch(request);
    }
    if (pathname === "/count") return Response.json(asked);
    asked.fetches += 1;
    return hostname === env.ISSUER_HOST ? env.ISSUER.fetch(request) : new Response(null, { status: 404 });
  },
};
