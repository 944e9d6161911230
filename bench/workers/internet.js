// Every Worker's way out: leads to a service of the same process by hostname.
export default {
  fetch(request, env) {
    const { hostname } = new URL(request.url);
    if (hostname === env.APIGEE_HOST) return env.UPSTREAM.fetch(request);
    if (hostname === env.ISSUER_HOST) return env.ISSUER.fetch(request);
    return new Response(null, { status: 404 });
  },
};
