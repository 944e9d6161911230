// The `ai` binding. No model runs here: an answer has the form that was asked for (JSON mode, as far as enum, number,
// integer, boolean, string, array and object go), and what is in it follows from a digest of the question alone. So the
// same question always gets the same answer, and no answer means anything.
function digest(text) {
  // FNV-1a, 32 bits.
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0;
  return hash / 2 ** 32;
}

function made(schema, text) {
  if (Array.isArray(schema.enum)) return schema.enum[Math.floor(digest(text) * schema.enum.length)];
  const { minimum = 0, maximum = 1 } = schema;
  switch (schema.type) {
    case "object":
      return Object.fromEntries(
        Object.entries(schema.properties ?? {}).map(([name, part]) => [name, made(part, `${name} ${text}`)]),
      );
    case "number":
      return minimum + digest(text) * (maximum - minimum);
    case "integer":
      return minimum + Math.floor(digest(text) * (maximum - minimum + 1));
    case "boolean":
      return digest(text) < 0.5;
    case "array":
      return [];
    default:
      return "";
  }
}

export default function wrap() {
  return {
    async run(model, inputs) {
      if (typeof model !== "string" || !/^@(cf|hf)\//.test(model)) throw new Error(`5007: No such model ${model}`);
      const schema = inputs?.response_format?.json_schema;
      const response =
        schema === undefined ? `The sandbox runs no model: this is not an answer of ${model}.` : made(schema, JSON.stringify(inputs));
      return { response };
    },
  };
}
