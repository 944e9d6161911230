// Bundles a rival as `worker/build.mjs` bundles the Worker: node build.mjs ENTRY OUTFILE
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const packages = new URL("../worker/node_modules", import.meta.url);
const { build } = createRequire(new URL("../worker/package.json", import.meta.url))("esbuild");
const [, , entry, outfile] = process.argv;

try {
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: "esm",
    target: "es2024",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["workerd", "worker", "browser"],
    external: ["./facts.json"],
    // The rivals' packages are the Worker's development dependencies.
    nodePaths: [fileURLToPath(packages)],
    legalComments: "none",
    logLevel: "warning",
  });
} catch {
  // esbuild has said what is wrong, and where.
  process.exit(1);
}
