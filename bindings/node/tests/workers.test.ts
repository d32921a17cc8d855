/** Threads of JavaScript, each with the package and databases of its own. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";

import { open, run } from "./support.js";

/** A worker that runs a program of an ES module. */
function worker(program: string): Worker {
  const module = `
    import { parentPort } from "node:worker_threads";
    import { LaminarDB, LaminarError } from "${import.meta.resolve("@laminardb/node")}";
    ${program}`;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(module)}`));
}

const PIPELINE = `
  const db = await LaminarDB.open(":memory:", { int64: "number" });
  await db.execute("CREATE SOURCE s (id INT)");
  await db.execute("CREATE STREAM n AS SELECT count(*) AS n FROM s");
  await db.start();
  const counts = await db.subscribe("n").ready();
`;

test("workers have databases of their own, at the same time", async () => {
  await using db = await open(["s (id INT)"]);
  const changes = db.subscribe("s");
  const workers = [1, 2, 3, 4].map((id) =>
    worker(`${PIPELINE}
      for (let i = 0; i < 100 * ${id}; i++) await db.insert("s", { id: i });
      let n = 0;
      for (let batch = counts.poll(); batch; batch = counts.poll()) n = batch.toArray().at(-1).n;
      const refused = await db.insert("t", {}).catch((error) => error instanceof LaminarError && error.code);
      await db.close();
      parentPort.postMessage([n, refused]);`),
  );
  const said = Promise.all(workers.map((each) => once(each, "message")));
  const exited = Promise.all(workers.map((each) => once(each, "exit")));
  await db.insert("s", { id: 7 });
  assert.deepEqual((await changes.next())?.toArray(), [{ id: 7 }]);
  assert.deepEqual((await said).map(([message]) => message), [100, 200, 300, 400].map((n) => [n, 200]));
  assert.deepEqual((await exited).map(([code]) => code), [0, 0, 0, 0]);
});

for (const [what, program, end] of [
  ["is terminated while it waits", `counts.ref(); counts.next(); counts.next();`, "terminate"],
  [
    "is terminated amid calls",
    `for (let i = 0; i < 10; i++) {
       db.query("SELECT count(*) FROM generate_series(1, 1000000000) a, generate_series(1, 1000) b")
         .toArray().catch(() => {});
       db.insert("s", { id: i }).catch(() => {});
     }`,
    "terminate",
  ],
  [
    "is terminated while a push waits for room",
    `db.subscribe("n", { capacity: 1, onFull: "block" });
     for (let i = 0; i < 10; i++) db.insert("s", { id: i }).catch(() => {});`,
    "terminate",
  ],
  ["exits", `counts.next(); counts.next(); setTimeout(() => process.exit(3), 5);`, 3],
  ["comes to its end with a subscription", `counts.next(); counts.next();`, 0],
  ["throws", `counts.next(); setTimeout(() => { throw new Error("thrown"); }, 5);`, 1],
] as [string, string, "terminate" | number][]) {
  test(`a worker ${what}`, async () => {
    for (let round = 0; round < 3; round++) {
      const each = worker(`${PIPELINE} parentPort.postMessage("open"); ${program}`);
      each.on("error", () => {});
      const exited = new Promise((resolve) => each.once("exit", resolve));
      await once(each, "message");
      if (end === "terminate") await each.terminate();
      else assert.equal(await exited, end);
    }
    await using db = await open(["s (id INT)"]);
    await db.insert("s", { id: 1 });
    assert.deepEqual(await db.query("SELECT * FROM s").toArray(), [{ id: 1 }]);
  });
}

test("a process ends while its workers are busy", async () => {
  const ran = await run(`
    import { Worker } from "node:worker_threads";
    const program = \`
      import { LaminarDB } from "\${import.meta.resolve("@laminardb/node")}";
      ${PIPELINE.replaceAll("`", "")}
      postMessage("open");
      for (let i = 0; ; i++) await db.insert("s", { id: i });\`;
    for (let i = 0; i < 3; i++) {
      const url = new URL("data:text/javascript," + encodeURIComponent(
        'import { parentPort } from "node:worker_threads"; const postMessage = (m) => parentPort.postMessage(m);' + program));
      await new Promise((resolve) => new Worker(url).once("message", resolve));
    }
    setTimeout(() => process.exit(7), 20);`);
  assert.deepEqual([ran.code, ran.signal], [7, null], ran.stderr);
});
