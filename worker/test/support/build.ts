import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, URL } from "node:url";
import { type TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** The bundled Worker, as it is deployed. */
    workerModule: string;
    /** The bundled Worker that remembers proofs. */
    proofsModule: string;
  }
}

/** Bundles the Workers once for all tests that run them. */
export default function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), "edge-worker-"));
  project.provide("workerModule", bundled(folder, "index"));
  project.provide("proofsModule", bundled(folder, "proofs"));
  return () => {
    rmSync(folder, { recursive: true, force: true });
  };
}

function bundled(folder: string, entry: string): string {
  const outfile = join(folder, `${entry}.js`);
  const script = fileURLToPath(new URL("../../build.mjs", import.meta.url));
  execFileSync(process.execPath, [script, "--entry", entry, "--outfile", outfile], { stdio: ["ignore", "ignore", "inherit"] });
  return outfile;
}
