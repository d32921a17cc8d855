/** Sources, writers and watermarks. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { IngestionError, LaminarDB, SchemaError, codes } from "@laminardb/node";
import { fails, open } from "./support.js";

const TRADES = "trades (ts BIGINT NOT NULL, price DOUBLE, WATERMARK FOR ts)";
const BARS =
  "CREATE STREAM bars AS SELECT tumble(ts, 1000) AS start, max(price) AS high FROM trades " +
  "GROUP BY tumble(ts, 1000) EMIT ON WINDOW CLOSE";

test("a window closes when every producer has passed it", async () => {
  await using db = await open([TRADES, BARS]);
  const bars = db.subscribe("bars", { int64: "number" });
  await using one = await db.source("trades");
  await using two = await one.clone();
  assert.deepEqual([one.name, one.schema.names, one.currentWatermark], [
    "trades",
    ["ts", "price"],
    undefined,
  ]);
  await one.push({ ts: [100, 1100], price: [1, 5] });
  await two.push({ ts: 900, price: 3 });
  await one.watermark(1999);
  assert.equal(bars.poll(), null);
  await two.watermark(new Date(1000));
  assert.deepEqual(bars.poll()?.toArray(), [{ start: 0, high: 3 }]);
  await two.watermark(5n);
  assert.deepEqual([one.currentWatermark, two.currentWatermark], [1999, 1000]);
  await two.close();
  await one.watermark(1999);
  assert.deepEqual(bars.poll()?.toArray(), [{ start: 1000, high: 5 }]);
  await assert.rejects(one.watermark(0.5), fails(IngestionError, 300, "0.5"));
});

test("the end of the input closes what is open", async () => {
  await using db = await open([TRADES, BARS]);
  const bars = db.subscribe("bars", { int64: "number" });
  await using source = await db.source("trades");
  await source.push({ ts: 100, price: 1 });
  await source.endOfInput();
  assert.deepEqual(bars.poll()?.toArray(), [{ start: 0, high: 1 }]);
  await assert.rejects(source.push({ ts: 2000, price: 1 }), IngestionError);
});

test("calls of one producer take effect in their order, awaited or not", async () => {
  await using db = await open([TRADES, BARS]);
  const bars = db.subscribe("bars", { int64: "number" });
  await using source = await db.source("trades");
  const pushed = source.push({ ts: 100, price: 1 });
  const [, closed] = [source.push({ ts: 200, price: 9 }), source.watermark(1000)];
  assert.equal(source.tryPush({ ts: 300, price: 99 }), false);
  await closed;
  assert.equal(await pushed, 1);
  assert.deepEqual(bars.poll()?.toArray(), [{ start: 0, high: 9 }]);
});

test("a producer that is closed says so, and a missing source too", async () => {
  await using db = await open([TRADES]);
  const source = await db.source("trades");
  const last = source.push({ ts: 1 });
  await Promise.all([source.close(), source.close()]);
  assert.equal(await last, 1);
  assert.equal(source.isClosed, true);
  const closed = fails(IngestionError, codes.WRITER_CLOSED, "`trades`");
  await assert.rejects(source.push({ ts: 1 }), closed);
  assert.throws(() => source.tryPush({ ts: 1 }), closed);
  await assert.rejects(source.watermark(1), closed);
  await assert.rejects(source.clone(), closed);
  await assert.rejects(source.pending(), fails(IngestionError, codes.WRITER_CLOSED));
  for (const call of [() => db.source("nope"), () => db.writer("nope")]) {
    await assert.rejects(call, fails(SchemaError, codes.TABLE_NOT_FOUND));
  }
  const dropped = await db.source("trades");
  await db.execute("DROP SOURCE trades");
  await assert.rejects(dropped.push({ ts: 1 }), IngestionError);
});

test("rows wait for the start", async () => {
  await using db = await LaminarDB.open();
  await db.execute("CREATE SOURCE s (id INT)");
  await db.execute("CREATE STREAM big AS SELECT id FROM s WHERE id > 1");
  await using source = await db.source("s");
  await source.push({ id: [1, 2] });
  assert.equal(await source.pending(), 2);
  assert.ok((await source.capacity()) >= 2);
  const big = db.subscribe("big");
  assert.equal(await big.next(10), null);
  await db.start();
  assert.deepEqual((await big.next())?.toArray(), [{ id: 2 }]);
  assert.equal(await source.pending(), 0);
});

test("what finds no room before the start waits for it", async () => {
  await using db = await LaminarDB.open(":memory:", { maxQueuedBytes: 1_024 });
  await db.execute("CREATE SOURCE s (id BIGINT)");
  await db.execute("CREATE STREAM t AS SELECT id FROM s");
  await using source = await db.source("s");
  const ids = new BigInt64Array(1_000);
  await source.push({ id: ids });
  assert.equal(source.tryPush({ id: ids }), false);
  const waiting = [source.push({ id: ids }), db.insert("s", { id: ids })];
  await db.start();
  assert.deepEqual(await Promise.all(waiting), [1_000, 1_000]);
  assert.deepEqual(await db.query("SELECT count(*) AS n FROM t").toArray(), [{ n: 3_000n }]);
});

test("a writer gathers rows and pushes them by 1024, at a watermark and at its end", async () => {
  await using db = await open([TRADES, BARS]);
  const trades = db.subscribe("trades");
  await trades.ready();
  const count = (): number[] => {
    const rows = [];
    for (let batch = trades.poll(); batch !== null; batch = trades.poll()) rows.push(batch.numRows);
    return rows;
  };
  const writer = await db.writer("trades");
  assert.deepEqual([writer.name, writer.schema.names], ["trades", ["ts", "price"]]);
  for (let ts = 0; ts < 1023; ts++) assert.equal(await writer.insert({ ts, price: ts }), 1);
  assert.deepEqual(count(), []);
  await writer.insert({ ts: 1023 });
  assert.deepEqual(count(), [1024]);
  await writer.insert([{ ts: 1024 }, { ts: 1025 }]);
  await writer.watermark(1500);
  assert.deepEqual(count(), [2]);
  assert.equal(writer.currentWatermark, 1500);
  assert.deepEqual(await db.query("SELECT high FROM bars").toArray(), [{ high: 999 }]);
  await writer.insert({ ts: 1600 });
  assert.equal(await writer.flush(), 1);
  assert.equal(await writer.flush(), 0);
  await writer.insert({ ts: 1700 });
  await Promise.all([writer.close(), writer.close()]);
  assert.deepEqual(count(), [1, 1]);
  assert.equal(writer.isClosed, true);
  await assert.rejects(writer.insert({ ts: 1 }), fails(IngestionError, codes.WRITER_CLOSED));
});

test("a writer closes itself at the end of its block", async () => {
  await using db = await open([TRADES]);
  {
    await using writer = await db.writer("trades");
    await writer.insert({ ts: 1, price: 2 });
  }
  assert.deepEqual(await db.query("SELECT price FROM trades").toArray(), [{ price: 2 }]);
});

test("what a writer gathers keeps its order, whatever form it came in", async () => {
  await using db = await open(["s (id INT NOT NULL, at TIMESTAMP(3), price DECIMAL(4, 1), name VARCHAR)"]);
  const all = db.subscribe<{ id: number }>("s");
  const writer = await db.writer("s");
  await writer.insert({ id: 1, at: new Date(5), name: "a" });
  await writer.insert({ id: 2, price: "1.5" });
  await writer.insert({ name: null, id: 3 });
  await writer.insert([{ id: 4 }, { id: 5 }]);
  await writer.insert({ id: [6, 7] });
  await writer.insert({ at: -1n, id: 8 });
  for (const wrong of [{}, { id: 0.5 }, { id: 9, nope: 1 }, { id: 9, name: "\ud83d" }, { id: 9, at: 2 ** 53 }]) {
    await assert.rejects(writer.insert(wrong), IngestionError);
  }
  await writer.insert(await db.query("SELECT CAST(9 AS INT) AS id").batches().then(([batch]) => batch ?? []));
  const changing = { id: 10 };
  await writer.insert(changing);
  changing.id = 99;
  await writer.close();
  const batches = [await all.next(), await all.next(), await all.next()];
  assert.deepEqual(
    batches.map((batch) => batch?.toArray().map((row) => row.id)),
    [[1, 2, 3, 4, 5, 6, 7, 8], [9], [10]],
  );
  assert.deepEqual(batches[0]?.toArray()[0], { id: 1, at: new Date(5), price: null, name: "a" });
  assert.equal(all.poll(), null);
});

test("pushes go on when there is room again, each in its turn", async () => {
  await using db = await open(["s (id INT)"]);
  const changes = db.subscribe("s", { capacity: 2, onFull: "block" });
  const sources = await Promise.all([1, 2, 3].map(() => db.source("s")));
  await using writer = await db.writer("s");
  await sources[0]?.push([{ id: 0 }, { id: 0 }]);
  let landed = 0;
  const waiting = sources.flatMap((source) =>
    [1, 2, 3].map((id) => source.push({ id }).then((rows) => (landed += rows))),
  );
  await writer.insert({ id: 4 });
  waiting.push(writer.flush().then((rows) => (landed += rows)));
  assert.equal(await new Promise((resolve) => setTimeout(resolve, 40, landed)), 0);
  let read = 0;
  while (read < 12) read += (await changes.next())?.numRows ?? 0;
  await Promise.all(waiting);
  assert.deepEqual([read, landed], [12, 10]);
  // What waits is woken by the end too.
  await sources[0]?.push([{ id: 0 }, { id: 0 }]);
  const refused = assert.rejects(sources[1]?.push({ id: 1 }) ?? Promise.resolve());
  await db.execute("DROP SOURCE s");
  await refused;
});

test("a source waits, refuses or drops as it was created", async () => {
  await using db = await LaminarDB.open(":memory:", { pushTimeoutMs: 600_000 });
  const full = fails(IngestionError, codes.BACKPRESSURE);
  for (const [name, options] of [
    ["strict", "backpressure = 'reject', buffer_size = 1"],
    ["hasty", "push_timeout_ms = 20, buffer_size = 1"],
    ["lossy", "backpressure = 'drop_oldest', buffer_size = 1"],
  ] as const) {
    await db.execute(`CREATE SOURCE ${name} (id INT) WITH (${options})`);
    await db.execute(`CREATE STREAM of_${name} AS SELECT id FROM ${name}`);
    await using source = await db.source(name);
    await using second = await source.clone();
    await source.push({ id: 1 });
    for (const producer of [source, second]) {
      if (name === "lossy") assert.equal(await producer.push({ id: 2 }), 1);
      else await assert.rejects(producer.push({ id: 2 }), full);
    }
    assert.deepEqual([await source.pending(), await source.capacity()], [1, 1]);
  }
  await db.start();
  assert.deepEqual(await db.query("SELECT id FROM of_lossy").toArray(), [{ id: 2 }]);
  assert.deepEqual(await db.query("SELECT id FROM of_strict").toArray(), [{ id: 1 }]);
});

test("one row is pushed at once, whatever its values are", async () => {
  await using db = await open([
    "s (flag BOOLEAN, n SMALLINT, big BIGINT, u BIGINT UNSIGNED, f DOUBLE, r REAL, name VARCHAR, " +
      "at TIMESTAMP(3), fine TIMESTAMP(6), day DATE, cost DECIMAL(9, 2), tags INT[], id INT NOT NULL)",
  ]);
  await using source = await db.source("s");
  const at = new Date("2026-01-02T03:04:05.006Z");
  const rows = [
    { id: 1, flag: true, n: -3, big: 2n ** 62n, f: 0.5, r: 0.25, name: "é\u0000😀", at, fine: at },
    { id: 2, u: 2n ** 63n, day: new Date("2026-01-02"), cost: "12.50", tags: [1, 2] },
    { id: 3, big: 7, f: 3, name: null, at: 12 },
    { name: "", id: 4 },
  ];
  for (const row of rows) assert.equal(source.tryPush(row), true);
  assert.throws(() => source.tryPush({ name: "x" }), fails(IngestionError, 300, "id"));
  assert.throws(() => source.tryPush({ id: 5, n: 40_000 }), IngestionError);
  assert.throws(() => source.tryPush({ id: 5, none: 1 }), fails(IngestionError, 302, "none"));
  // What was refused leaves nothing behind in the row after it.
  assert.equal(source.tryPush({ id: 6 }), true);
  const told = await db.query("SELECT * FROM s ORDER BY id").toArray();
  const none = { flag: null, n: null, big: null, u: null, f: null, r: null, name: null, at: null };
  const empty = { ...none, fine: null, day: null, cost: null, tags: null };
  assert.deepEqual(told, [
    { ...empty, ...rows[0] },
    { ...empty, ...rows[1] },
    { ...empty, id: 3, big: 7n, f: 3, at: new Date(12) },
    { ...empty, id: 4, name: "" },
    { ...empty, id: 6 },
  ]);
});
