import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, URL } from "node:url";
import { afterAll, beforeAll, expect, inject, test } from "vitest";

const SCRIPT = fileURLToPath(new URL("../../build.mjs", import.meta.url));
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "edge-build-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

test("the same sources give the same bytes, wherever they are built to and from", () => {
  const outfile = join(folder, "nested", "other.js");
  execFileSync(process.execPath, [SCRIPT, "--outfile", outfile], { cwd: folder });
  const built = readFileSync(outfile, "utf8");
  expect(built).toBe(readFileSync(inject("workerModule"), "utf8"));
  expect(built).not.toContain(fileURLToPath(new URL("../..", import.meta.url)));
});

test("the bundle imports the policy table and nothing else", () => {
  const imports = readFileSync(inject("workerModule"), "utf8").match(/^import .*$/gm);
  expect(imports).toEqual(['import policy from "./policy.json";']);
});

test("an unknown option is refused with the usage", () => {
  expect(() => execFileSync(process.execPath, [SCRIPT, "--out", "x"], { stdio: "pipe" })).toThrow("usage: node build.mjs");
});
