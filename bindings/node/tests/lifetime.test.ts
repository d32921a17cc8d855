/** Ends: of processes, of objects in any order, of what is collected, of many. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { LaminarDB } from "@laminardb/node";
import { collect, open, run } from "./support.js";

const OPEN = `
  import { LaminarDB } from "@laminardb/node";
  const db = await LaminarDB.open();
  await db.execute("CREATE SOURCE s (id INT)");
  await db.start();
  const changes = await db.subscribe("s").ready();
  await db.insert("s", { id: 0 });
`;

for (const [what, program, code, printed] of [
  ["idle subscriptions", `changes.next(); changes.next(); (async () => { for await (const _ of changes); })();`, 0, ""],
  ["callbacks", `db.subscribeCallback("s", () => console.log("called"));`, 0, ""],
  ["a wait for an idle subscription", `await changes.next(); await changes.next();`, 13, ""],
  ["a wait with a timeout", `changes.poll(); console.log(await changes.next(50));`, 0, "null\n"],
  ["process.exit", `changes.next(); process.exit(7);`, 7, ""],
  [
    "process.exit amid calls",
    `for (let i = 0; i < 20; i++) {
       db.insert("s", { id: i });
       db.query("SELECT count(*) FROM generate_series(1, 1000000000) a, generate_series(1, 1000) b").toArray();
     }
     setTimeout(() => process.exit(7), 20);`,
    7,
    "",
  ],
  [
    "process.exit in a callback",
    `db.subscribeCallback("s", () => process.exit(7)); await db.insert("s", { id: 1 });
     await new Promise((resolve) => setTimeout(resolve, 10_000));`,
    7,
    "",
  ],
  ["an exception", `changes.next(); throw new Error("thrown");`, 1, ""],
  [
    "an exception in a callback",
    `db.subscribeCallback("s", () => { throw new Error("thrown"); }); await db.insert("s", { id: 1 });
     await new Promise((resolve) => setTimeout(resolve, 10_000));`,
    1,
    "",
  ],
  [
    "a subscription with ref, until it ends",
    `changes.ref(); changes.next(); changes.next();
     setTimeout(() => { console.log("alive"); changes.cancel(); }, 50).unref();`,
    0,
    "alive\n",
  ],
  [
    "a subscription with ref and unref",
    `changes.ref().ref().unref(); changes.next(); changes.next();
     setTimeout(() => console.log("alive"), 5_000).unref();`,
    0,
    "",
  ],
  ["a push that waits for room", `
     const full = await db.subscribe("s", { capacity: 1, onFull: "block" }).ready();
     await db.insert("s", { id: 1 });
     db.insert("s", { id: 2 }).then(() => console.log("landed"));
     setTimeout(() => full.poll(), 50).unref();`, 0, "landed\n"],
  ["nothing", `await db.close();`, 0, ""],
] as [string, string, number, string][]) {
  test(`a process ends with ${what}`, async () => {
    const ran = await run(OPEN + program, ["--expose-gc"]);
    assert.deepEqual([ran.code, ran.signal, ran.stdout], [code, null, printed], ran.stderr);
  });
}

test("a thread of the library wakes the event loop", async () => {
  const ran = await run(`
    import { LaminarDB } from "@laminardb/node";
    const db = await LaminarDB.open(":memory:", { int64: "number" });
    await db.execute("CREATE SOURCE s (id INT)");
    await db.execute("CREATE STREAM n AS SELECT count(*) AS n FROM s EMIT EVERY INTERVAL '20' MILLISECOND");
    await db.start();
    const counts = await db.subscribe("n").ref().ready();
    await db.insert("s", [{ id: 1 }, { id: 2 }]);
    const last = (batch) => batch.toArray().at(-1).n;
    let n = 0;
    while (n !== 2) n = last(await counts.next());
    await db.insert("s", { id: 3 });
    while (n !== 3) n = last(await counts.next());
    console.log(n);
    await db.close();`);
  assert.deepEqual([ran.code, ran.stdout], [0, "3\n"], ran.stderr);
});

test("handles are closed in any order", async () => {
  const orders = permutations(["db", "source", "writer", "changes", "query"]);
  assert.equal(orders.length, 120);
  for (const order of orders) {
    const db = await open(["s (id INT)"]);
    const [source, writer] = await Promise.all([db.source("s"), db.writer("s")]);
    const changes = await db.subscribe("s").ready();
    const query = db.query("SELECT value FROM generate_series(1, 100000)");
    await Promise.all([source.push({ id: 1 }), query.next()]);
    const close: { [what: string]: () => unknown } = {
      db: () => db.close(),
      source: () => source.close(),
      writer: () => writer.close(),
      changes: () => changes.cancel(),
      query: () => query.cancel(),
    };
    for (const what of order) await close[what]?.();
  }
});

function permutations(items: string[]): string[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item) =>
    permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]),
  );
}

test("blocks close what they declare", async () => {
  let kept;
  {
    await using db = await open(["s (id INT)"]);
    using changes = db.subscribe("s");
    await using source = await db.source("s");
    using other = await source.clone();
    await other.push({ id: 1 });
    kept = { db, changes, source, other };
  }
  assert.deepEqual(
    [kept.db.isClosed, kept.changes.isActive, kept.source.isClosed, kept.other.isClosed],
    [true, false, true, true],
  );
  {
    using db = await LaminarDB.open();
    kept.db = db;
  }
  assert.equal(kept.db.isClosed, true);
});

test("what nobody holds is collected, and what somebody waits for is not", async () => {
  const db = await open(["s (id INT)"]);
  const idle = await (async () => new WeakRef(await db.subscribe("s").ready()))();
  const waiting = (() => {
    const changes = db.subscribe("s");
    return { changes: new WeakRef(changes), next: changes.next() };
  })();
  const source = await (async () => new WeakRef(await db.source("s")))();
  const unclosed = await (async () => {
    const other = await open(["s (id INT)"]);
    other.subscribe("s");
    return new WeakRef(other);
  })();
  await collect();
  assert.deepEqual([idle.deref(), source.deref(), unclosed.deref()], [undefined, undefined, undefined]);
  assert.notEqual(waiting.changes.deref(), undefined);
  await db.insert("s", { id: 1 });
  assert.equal((await waiting.next)?.numRows, 1);
  await collect();
  assert.equal(waiting.changes.deref(), undefined);
  assert.equal((await db.streams()).length, 0);
  await db.close();
});

test("a subscription keeps the database that it came from", async () => {
  const changes = await (async () => {
    const db = await open(["s (id INT)"]);
    await db.insert("s", { id: 1 });
    return db.subscribe("SELECT * FROM s").ready();
  })();
  await collect();
  assert.deepEqual((await changes.next())?.toArray(), [{ id: 1 }]);
});

test("rows outlive everything that they came from", async () => {
  const db = await open(["s (id INT, name VARCHAR)"]);
  const changes = await db.subscribe("s").ready();
  await db.insert("s", { id: [1, 2], name: ["a", "b"] });
  const [batch] = await db.query("SELECT * FROM s").batches();
  const change = changes.poll();
  changes.cancel();
  await db.close();
  await collect();
  for (const rows of [batch, change]) {
    assert.deepEqual(rows?.toArray(), [{ id: 1, name: "a" }, { id: 2, name: "b" }]);
  }
});

test("many calls at once", async () => {
  await using db = await open(["s (id INT, name VARCHAR)"]);
  const counts = await Promise.all(
    Array.from({ length: 300 }, async (_, id) => {
      const changes = db.subscribe("s");
      const source = await db.source("s");
      await source.push({ id, name: `n${id}` });
      const [row] = await db.query(`SELECT count(*) AS n FROM s WHERE id = ${id}`).toArray();
      const seen = (await changes.next())?.numRows;
      changes.cancel();
      await source.close();
      return [row?.["n"], seen];
    }),
  );
  assert.deepEqual(counts, Array.from({ length: 300 }, () => [1n, 1]));
});

test("thousands of databases are opened and closed without growth", async () => {
  const ran = await run(`
    import { LaminarDB } from "@laminardb/node";
    async function round(count) {
      for (let i = 0; i < count; i++) {
        const db = await LaminarDB.open();
        await db.execute("CREATE SOURCE s (id INT)");
        await db.start();
        const changes = db.subscribe("s");
        await db.insert("s", { id: i });
        if (changes.poll().numRows !== 1) throw new Error("no row");
        await db.close();
      }
      gc();
      await new Promise((resolve) => setImmediate(resolve));
      gc();
      return process.memoryUsage.rss() / 2 ** 20;
    }
    const before = await round(600);
    const after = await round(2000);
    console.log(Math.round(after - before));`, ["--expose-gc"]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.ok(Number(ran.stdout) < 24, `grew by ${ran.stdout} MiB`);
});

test("rows go through without growth", async () => {
  const ran = await run(`
    import { LaminarDB } from "@laminardb/node";
    const db = await LaminarDB.open(":memory:", { retainHistory: 1024 });
    await db.execute("CREATE SOURCE s (id BIGINT, name VARCHAR)");
    await db.start();
    const changes = await db.subscribe("s").ready();
    const source = await db.source("s");
    const rows = Array.from({ length: 1000 }, (_, id) => ({ id, name: "name " + id }));
    async function round(count) {
      for (let i = 0; i < count; i++) {
        await source.push(rows);
        const batch = changes.poll();
        if (batch.column("name").get(999) !== "name 999") throw new Error("no row");
      }
      gc();
      return process.memoryUsage.rss() / 2 ** 20;
    }
    const before = await round(200);
    const after = await round(1000);
    console.log(Math.round(after - before));
    await db.close();`, ["--expose-gc"]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.ok(Number(ran.stdout) < 24, `grew by ${ran.stdout} MiB`);
});
