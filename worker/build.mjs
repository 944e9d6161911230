// Bundles the Worker into one ES module. The same sources give the same bytes, wherever and whenever it runs, so that
// the version's hash changes only when the code does.
//
//   node build.mjs [--outfile PATH]        default: build/index.js beside this file
//
// `./policy.json` stays an import: the contract's policy table is another module of the Worker's version.
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));

function outfile() {
  try {
    const { values } = parseArgs({ options: { outfile: { type: "string" } } });
    return resolve(values.outfile ?? join(here, "build", "index.js"));
  } catch (problem) {
    console.error(`${problem.message}\nusage: node build.mjs [--outfile PATH]`);
    process.exit(2);
  }
}

try {
  await build({
    // Paths are told relative to this folder, so that no folder's name gets into the output.
    absWorkingDir: here,
    entryPoints: ["src/index.ts"],
    outfile: outfile(),
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
