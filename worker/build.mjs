// Bundles a Worker into one ES module: the gateway (index), or the one that remembers proofs (proofs). The same sources
// give the same bytes, wherever and whenever it runs, so that the version's hash changes only when the code does.
//
//   node build.mjs [--entry index|proofs] [--outfile PATH]        default: index, to build/<entry>.js beside this file
//
// `./policy.json` stays an import: the contract's policy table is another module of the Worker's version.
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));

function options() {
  try {
    const { values } = parseArgs({ options: { entry: { type: "string" }, outfile: { type: "string" } } });
    const entry = values.entry ?? "index";
    if (!["index", "proofs"].includes(entry)) throw new Error(`there is no Worker ${entry}`);
    return { entry, outfile: resolve(values.outfile ?? join(here, "build", `${entry}.js`)) };
  } catch (problem) {
    console.error(`${problem.message}\nusage: node build.mjs [--entry index|proofs] [--outfile PATH]`);
    process.exit(2);
  }
}

const { entry, outfile } = options();

try {
  await build({
    // Paths are told relative to this folder, so that no folder's name gets into the output.
    absWorkingDir: here,
    entryPoints: [`src/${entry}.ts`],
    outfile,
    bundle: true,
    format: "esm",
    target: "es2024",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["workerd", "worker", "browser"],
    external: ["./policy.json", "cloudflare:workers"],
    charset: "utf8",
    legalComments: "none",
    sourcemap: false,
    logLevel: "warning",
  });
} catch {
  // esbuild has said what is wrong, and where.
  process.exit(1);
}
