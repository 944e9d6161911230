// The rival: forwards a request and streams the answer back, and does nothing else.
export default {
  fetch(request, env) {
    const { pathname, search } = new URL(request.url);
    return fetch(env.APIGEE_ORIGIN + pathname + search, request);
  },
};
