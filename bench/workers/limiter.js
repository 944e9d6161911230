// The rate limiting binding as Cloudflare runs it: counters near the isolate, in fixed windows. It never refuses here.
const counts = new Map();
let window = 0;

export default ({ settings: { product, seconds } }) => ({
  async limit({ key }) {
    const now = Math.floor(Date.now() / 1000 / seconds);
    if (now !== window) {
      counts.clear();
      window = now;
    }
    const counter = `${product} ${key}`;
    counts.set(counter, (counts.get(counter) ?? 0) + 1);
    return { success: true };
  },
});
