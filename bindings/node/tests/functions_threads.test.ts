/**
 * Functions of SQL against JavaScript's thread, which runs them for the engine: whatever that thread
 * does meanwhile, neither waits for the other for ever. A program that hangs is killed and fails.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";

import { ConnectionError, LaminarDB } from "@laminardb/node";

import { collect, fails, open, run } from "./support.js";

const ID = { arguments: ["INTEGER"], returns: "INTEGER" };

/** A database whose stream `t` calls `f` for each row of `s`. */
async function calling(f: (id: number) => number, more: string[] = []): Promise<LaminarDB> {
  const db = await open(["s (id INT)"], { int64: "number" });
  await db.registerScalar("f", ID, f);
  await db.execute("CREATE STREAM t AS SELECT f(id) AS id FROM s");
  for (const statement of more) await db.execute(statement);
  return db;
}

test("the thread polls and pushes at once while others push", async () => {
  let calls = 0;
  await using db = await calling((id) => ((calls += 1), id + 1));
  const changes = await db.subscribe("t").ready();
  const sources = await Promise.all([1, 2, 3].map(() => db.source("s")));
  const own = await db.source("s");
  let [seen, pushed] = [0, 0];
  const pushes = sources.flatMap((source) =>
    Array.from({ length: 50 }, (_, id) => source.push({ id: [id, id] })));
  const poll = (): void => {
    for (let batch = changes.poll(); batch !== null; batch = changes.poll()) seen += batch.numRows;
  };
  const all = Promise.all(pushes);
  let isDone = false;
  void all.then(() => (isDone = true));
  while (!isDone) {
    // Many calls that the event loop does not come between.
    for (let turn = 0; turn < 20; turn++) {
      if (own.tryPush({ id: turn })) pushed += 1;
      if (own.tryPush([{ id: turn }, { id: turn }])) pushed += 2;
      poll();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await all;
  poll();
  assert.equal(seen, 300 + pushed);
  assert.equal(calls, 300 + pushed);
});

test("a subscription that begins anew is polled while others push", async () => {
  await using db = await calling((id) => id, [
    "CREATE MATERIALIZED VIEW n AS SELECT f(id) AS id, count(*) AS n FROM s GROUP BY f(id)",
  ]);
  const changes = await db.subscribe("n", { capacity: 2 }).ready();
  const source = await db.source("s");
  let resets = 0;
  const counts = new Map<unknown, unknown>();
  const poll = (): void => {
    for (let batch = changes.poll(); batch !== null; batch = changes.poll()) {
      if (batch.isReset) {
        resets += 1;
        counts.clear();
      }
      for (const { op, row } of batch.changes()) {
        if (op === "insert") counts.set(row["id"], row["n"]);
      }
    }
  };
  for (let round = 0; round < 20; round++) {
    const pushes = Array.from({ length: 10 }, (_, id) => source.push({ id: [id, id + 10, id + 20] }));
    for (let turn = 0; turn < 50; turn++) poll();
    await Promise.all(pushes);
  }
  poll();
  assert.ok(resets > 0);
  // Of each round, 0 to 9 once each, and so on for the others.
  assert.equal(counts.size, 30);
  assert.ok([...counts.values()].every((n) => n === 20), JSON.stringify([...counts]));
});

test("a stream that time drives calls while the thread is busy with the database", async () => {
  await using db = await calling((id) => id, [
    "CREATE STREAM n AS SELECT max(f(id)) AS n FROM s EMIT EVERY INTERVAL '1' MILLISECOND",
  ]);
  const changes = await db.subscribe("n").ref().ready();
  const source = await db.source("s");
  const until = performance.now() + 300;
  let id = 0;
  while (performance.now() < until) {
    source.tryPush({ id: (id += 1) });
    changes.poll();
  }
  await source.push({ id: id + 1 });
  for (let last = -1; last !== id + 1; ) {
    last = ((await changes.next())?.toArray().at(-1)?.["n"] ?? last) as number;
  }
});

test("pushes that wait for room, and the reader that makes it", async () => {
  await using db = await calling((id) => id);
  const full = await db.subscribe("t", { capacity: 4, onFull: "block" }).ready();
  const source = await db.source("s");
  const pushes = Array.from({ length: 40 }, (_, id) => source.push({ id: [id, id] }));
  const inserts = Array.from({ length: 10 }, (_, id) => db.insert("s", { id: 100 + id }));
  const statement = db.execute("INSERT INTO s VALUES (200)");
  let seen = 0;
  while (seen < 91) {
    for (let batch = full.poll(); batch !== null; batch = full.poll()) seen += batch.numRows;
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all([...pushes, ...inserts, statement]);
  assert.equal(seen, 91);
});

test("a database closes under its functions", async () => {
  for (let round = 0; round < 10; round++) {
    const db = await calling((id) => id);
    const changes = db.subscribe("t");
    const calls = Array.from({ length: 20 }, (_, id) => db.insert("s", { id: [id, id] }));
    calls.push(db.query("SELECT f(CAST(value AS INT)) FROM generate_series(1, 100000)").toArray().then(() => 0));
    const settled = Promise.allSettled(calls);
    if (round % 2 === 1) await new Promise((resolve) => setImmediate(resolve));
    await db.close();
    for (const call of await settled) {
      if (call.status === "rejected") assert.match(String(call.reason), /closed|cancel|shut|ended|given up/i);
    }
    assert.equal(changes.isActive, false);
  }
});

test("calls at once are refused inside of a function, and promises begin after it", async () => {
  const refused: unknown[] = [];
  const later: Promise<unknown>[] = [];
  const attempt = (call: () => unknown): void => {
    try {
      call();
      refused.push("it worked");
    } catch (error) {
      fails(ConnectionError, 102, "LDB-1201", "inside a function")(error);
      refused.push(102);
    }
  };
  await using db = await open(["s (id INT)", "other (id INT)"]);
  const other = await db.source("other");
  const rest = db.subscribe("other");
  await db.registerScalar("f", ID, (id: number) => {
    attempt(() => other.tryPush({ id }));
    attempt(() => other.tryPush([{ id }, { id }]));
    later.push(db.insert("other", { id }), other.push({ id: id + 1 }), db.query("SELECT 1").toArray());
    assert.equal(rest.poll(), null);
    return id;
  });
  await db.execute("CREATE STREAM t AS SELECT f(id) AS id FROM s");
  const changes = db.subscribe("t");
  await db.insert("s", { id: 7 });
  assert.deepEqual(changes.poll()?.toArray(), [{ id: 7 }]);
  assert.deepEqual(refused, [102, 102]);
  await Promise.all(later);
  const ids = [];
  for (let batch = rest.poll(); batch !== null; batch = rest.poll()) {
    ids.push(...batch.toArray().map(({ id }) => id));
  }
  assert.deepEqual(ids.sort(), [7, 8]);
});

test("a poll that begins anew is refused inside of a function, and goes on outside", async () => {
  await using db = await open(["s (id INT)"], { int64: "number" });
  await db.execute("CREATE MATERIALIZED VIEW n AS SELECT id, count(*) AS n FROM s GROUP BY id");
  const counts = await db.subscribe("n", { capacity: 1 }).ready();
  let inside: unknown;
  await db.registerScalar("f", ID, (id: number) => {
    try {
      inside = counts.poll()?.toArray();
    } catch (error) {
      inside = error;
    }
    return id;
  });
  for (let id = 0; id < 5; id++) await db.insert("s", { id });
  await db.query("SELECT f(CAST(1 AS INT))").toArray();
  fails(ConnectionError, 102)(inside);
  assert.ok(counts.isActive);
  const whole = counts.poll();
  assert.deepEqual([whole?.isReset, whole?.numRows], [true, 5]);
});

test("a function and the database that it refers to are collected together", async () => {
  const collected = await (async () => {
    const db: LaminarDB = await calling(() => Number(db.isClosed));
    await db.insert("s", { id: 1 });
    return new WeakRef(db);
  })();
  await collect();
  await collect();
  assert.equal(collected.deref(), undefined);
});

test("whoever reads keeps the functions of what is read", async () => {
  const changes = await (async () => {
    const db = await calling((id) => id + 1);
    const changes = await db.subscribe("t").ready();
    const source = await db.source("s");
    return { changes, source };
  })();
  await collect();
  await changes.source.push({ id: 1 });
  assert.deepEqual(changes.changes.poll()?.toArray(), [{ id: 2 }]);
});

const OPEN = `
  import { LaminarDB } from "@laminardb/node";
  const db = await LaminarDB.open(":memory:", { int64: "number" });
  let f = (id) => id;
  await db.registerScalar("f", { arguments: ["INTEGER"], returns: "INTEGER" }, (id) => f(id));
  await db.execute("CREATE SOURCE s (id INT)");
  await db.execute("CREATE STREAM t AS SELECT f(id) AS id FROM s");
  await db.start();
  const source = await db.source("s");
  const changes = await db.subscribe("t").ready();
`;

for (const [what, program, code, printed] of [
  ["ends amid calls", `for (let id = 0; id < 100; id++) db.insert("s", { id }).catch(() => {});`, 0, ""],
  [
    "exits amid calls",
    `for (let id = 0; id < 100; id++) db.insert("s", { id }).catch(() => {});
     db.query("SELECT f(CAST(value AS INT)) FROM generate_series(1, 1000000)").toArray().catch(() => {});
     setImmediate(() => process.exit(7));`,
    7,
    "",
  ],
  ["exits inside of a function for a push", `f = () => process.exit(7); await db.insert("s", { id: 1 });`, 7, ""],
  [
    "exits inside of a function for a push, behind which others wait",
    `f = () => process.exit(7);
     for (let id = 0; id < 10; id++) (await db.source("s")).push({ id });`,
    7,
    "",
  ],
  [
    "exits inside of a function for a push at once",
    `f = () => process.exit(7);
     const others = await Promise.all([1, 2, 3].map(() => db.source("s")));
     for (const other of others) other.push({ id: 1 });
     while (!source.tryPush({ id: 1 }));`,
    7,
    "",
  ],
  ["exits inside of a function for a query", `f = () => process.exit(7); await db.query("SELECT f(CAST(1 AS INT))").toArray();`, 7, ""],
  ["calls in its own last moments", `process.on("exit", () => { try { source.tryPush({ id: 1 }); } catch (error) { console.log(error.code); } });`, 0, "101\n"],
  [
    "has calls in its beforeExit",
    `process.once("beforeExit", async () => { await db.insert("s", { id: 1 }); console.log(changes.poll().toArray()[0].id); });`,
    0,
    "1\n",
  ],
  [
    "collects a database whose time goes on",
    `await db.execute("CREATE STREAM n AS SELECT max(f(id)) AS n FROM s EMIT EVERY INTERVAL '1' MILLISECOND");
     async function leave() {
       const other = await LaminarDB.open();
       await other.registerScalar("g", { arguments: ["INTEGER"], returns: "INTEGER" }, (id) => id);
       await other.execute("CREATE SOURCE s (id INT)");
       await other.execute("CREATE STREAM n AS SELECT g(id) AS n, count(*) FROM s GROUP BY g(id) EMIT EVERY INTERVAL '1' MILLISECOND");
       await other.start();
       await other.insert("s", { id: 1 });
       return new WeakRef(other);
     }
     const left = await Promise.all(Array.from({ length: 10 }, leave));
     for (let turn = 0; turn < 20; turn++) {
       gc();
       await new Promise((resolve) => setTimeout(resolve, 5));
       source.tryPush({ id: turn });
     }
     console.log(left.every((other) => other.deref() === undefined));
     await db.close();`,
    0,
    "true\n",
  ],
] as [string, string, number, string][]) {
  test(`a process that ${what}`, async () => {
    const ran = await run(OPEN + program, ["--expose-gc"]);
    assert.deepEqual([ran.code, ran.signal, ran.stdout], [code, null, printed], ran.stderr);
  });
}

/** A worker that runs a program of an ES module after `OPEN`. */
function worker(program: string): Worker {
  const opened = OPEN.replace('"@laminardb/node"', `"${import.meta.resolve("@laminardb/node")}"`);
  const module = `import { parentPort } from "node:worker_threads"; ${opened} ${program}`;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(module)}`));
}

test("threads have functions of their own, at the same time", async () => {
  await using db = await calling((id) => -id);
  const workers = [1, 2, 3].map((factor) =>
    worker(`
      f = (id) => id * ${factor};
      for (let id = 1; id <= 50; id++) await Promise.all([source.push({ id }), db.insert("s", { id })]);
      let sum = 0;
      for (let batch = changes.poll(); batch; batch = changes.poll()) {
        for (const { id } of batch.toArray()) sum += id;
      }
      parentPort.postMessage(sum);
      await db.close();`));
  const said = Promise.all(workers.map((each) => once(each, "message")));
  const exited = Promise.all(workers.map((each) => once(each, "exit")));
  const changes = db.subscribe("t");
  for (let id = 1; id <= 50; id++) await db.insert("s", { id });
  let sum = 0;
  for (let batch = changes.poll(); batch !== null; batch = changes.poll()) {
    for (const { id } of batch.toArray()) sum += id as number;
  }
  // 1 + ... + 50 = 1275, twice.
  assert.equal(sum, -1275);
  assert.deepEqual((await said).map(([message]) => message), [2550, 5100, 7650]);
  assert.deepEqual((await exited).map(([code]) => code), [0, 0, 0]);
});

for (const [what, program, isTerminated, code] of [
  ["is terminated in a function", `f = () => { parentPort.postMessage(0); for (;;); }; db.insert("s", { id: 1 });`, true, 1],
  ["is terminated in a function for a push at once", `f = () => { parentPort.postMessage(0); for (;;); }; source.tryPush({ id: 1 });`, true, 1],
  ["is terminated in a function for a query", `f = () => { parentPort.postMessage(0); for (;;); }; db.query("SELECT f(CAST(1 AS INT))").toArray();`, true, 1],
  ["is terminated amid pushes", `for (let id = 0; id < 1000; id++) db.insert("s", { id }).catch(() => {}); parentPort.postMessage(0);`, true, 1],
  ["is terminated amid pushes at once", `setInterval(() => 0, 1000); parentPort.postMessage(0); for (let id = 0; ; id++) { db.insert("s", { id }).catch(() => {}); source.tryPush({ id }); }`, true, 1],
  ["exits in a function", `f = () => process.exit(5); parentPort.postMessage(0); db.insert("s", { id: 1 });`, false, 5],
  ["exits in a function for a push at once", `f = () => process.exit(5); parentPort.postMessage(0); source.tryPush({ id: 1 });`, false, 5],
  ["exits amid pushes", `for (let id = 0; id < 100; id++) db.insert("s", { id }).catch(() => {}); parentPort.postMessage(0); setImmediate(() => process.exit(5));`, false, 5],
  ["ends amid pushes", `for (let id = 0; id < 100; id++) db.insert("s", { id }).catch(() => {}); parentPort.postMessage(0);`, false, 0],
  ["fails in its callback", `f = (id) => { setImmediate(() => { throw new Error("unheard"); }); return id; }; parentPort.postMessage(0); db.insert("s", { id: 1 });`, false, 1],
] as [string, string, boolean, number][]) {
  test(`a thread that ${what}`, { timeout: 60_000 }, async () => {
    await using db = await calling((id) => id);
    const other = worker(program);
    other.on("error", (error) => assert.match(String(error), /unheard/));
    const exited = new Promise<number>((resolve) => other.on("exit", resolve));
    await once(other, "message");
    const ended = isTerminated ? other.terminate() : exited;
    assert.equal(await ended, code);
    const changes = db.subscribe("t");
    await db.insert("s", { id: 1 });
    assert.equal(changes.poll()?.numRows, 1);
  });
}
