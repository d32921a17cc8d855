/**
 * The programs of the pages as TypeScript: each compiles, without strictness as it is written for
 * JavaScript, and prints what stands behind it. `bare.mjs` runs most of them as they are.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { after, test } from "node:test";

import { node } from "./support.js";

const root = path.dirname(import.meta.dirname);
const folder = mkdtempSync(path.join(root, "pages-"));
after(() => rmSync(folder, { recursive: true }));

const compiler = createRequire(import.meta.url).resolve("typescript/package.json");
const tsc = path.join(path.dirname(compiler), "bin", "tsc");

const programs = ["README.md", "NODE.md"].flatMap((page) => {
  const text = readFileSync(path.join(root, page), "utf8");
  const blocks = [...text.matchAll(/^```js\n(.*?)^```\n```text\n(.*?)^```/gms)];
  return blocks.map(([, program = "", expected = ""], index) => {
    const name = `${page.replace(".", "_")}_${index + 1}`;
    writeFileSync(path.join(folder, `${name}.ts`), program);
    return { name, expected };
  });
});
writeFileSync(
  path.join(folder, "tsconfig.json"),
  JSON.stringify({
    compilerOptions: {
      target: "es2022",
      lib: ["es2024", "esnext.disposable"],
      module: "nodenext",
      strict: false,
      types: ["node"],
    },
    include: ["*.ts"],
  }),
);
execFileSync(process.execPath, [tsc, "-p", folder], { stdio: "inherit" });

assert.ok(programs.length >= 8);
for (const { name, expected } of programs) {
  test(`the program ${name}`, async () => {
    const { code, stdout, stderr } = await node([path.join(folder, `${name}.js`)]);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, expected);
  });
}
