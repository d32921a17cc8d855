/**
 * The package where there is nothing else: it loads as a module and with `require`, has only its own
 * library beside it, and the programs of its README run as they are printed.
 *
 *   bare.mjs SONAME    the name by which the staged library is asked for
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

import * as imported from "@laminardb/node";

const soname = process.argv[2];
const require = createRequire(import.meta.url);
const required = require("@laminardb/node");
assert.equal(imported.LaminarDB, required.LaminarDB);
assert.equal(imported.codes.BACKPRESSURE, 303);
assert.equal(imported.version, require("@laminardb/node/package.json").version);
assert.match(imported.libraryVersion, /^\d+\.\d+\.\d+$/);
assert.throws(() => require("apache-arrow"), { code: "MODULE_NOT_FOUND" });

const native = path.join(path.dirname(require.resolve("@laminardb/node/package.json")), "native");
assert.deepEqual(readdirSync(native).sort(), ["laminar.node", soname]);
const loaded = readFileSync("/proc/self/maps", "utf8")
  .split("\n")
  .filter((line) => line.includes("liblaminar.so"))
  .map((line) => line.slice(line.indexOf("/")));
assert.ok(loaded.length > 0);
assert.ok(loaded.every((file) => path.dirname(file) === native), loaded[0]);

// Each program and, in the text block behind it, what it prints. Those that need more run elsewhere.
let run = 0;
for (const page of ["README.md", "NODE.md"]) {
  const text = readFileSync(page, "utf8");
  for (const [, program, expected] of text.matchAll(/^```js\n(.*?)^```\n(?:```text\n(.*?)^```)?/gms)) {
    if (/apache-arrow|await using/.test(program)) continue;
    const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", program], {
      encoding: "utf8",
      timeout: 60_000,
    });
    assert.equal(printed, expected ?? "", program);
    run += 1;
  }
}
assert.ok(run >= 6);
console.log(`ok: the package alone, and ${run} programs of its pages`);
