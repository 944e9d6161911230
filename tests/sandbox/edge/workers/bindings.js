import policy from "./policy.json";
import greeting from "./texts/greeting.txt";
import bytes from "./bytes.bin";
import adder from "./adder.wasm";

export default {
  async fetch(_request, env) {
    const { exports } = await WebAssembly.instantiate(adder);
    return Response.json({
      policy,
      greeting,
      bytes: [...new Uint8Array(bytes)],
      sum: exports.add(2, 3),
      plain: env.PLAIN,
      secret: env.SECRET,
      json: env.JSON_VALUE,
      jsonText: env.JSON_TEXT,
      version: env.VERSION,
    });
  },
};
