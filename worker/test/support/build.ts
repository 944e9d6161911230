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
  }
}

/** Bundles the Worker once for all tests that run it. */
export default function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), "edge-worker-"));
  const outfile = join(folder, "index.js");
  const script = fileURLToPath(new URL("../../build.mjs", import.meta.url));
  execFileSync(process.execPath, [script, "--outfile", outfile], { stdio: ["ignore", "ignore", "inherit"] });
  project.provide("workerModule", outfile);
  return () => {
    rmSync(folder, { recursive: true, force: true });
  };
}
