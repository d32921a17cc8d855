/** Statements and queries. */

import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";

import {
  ConnectionError, LaminarDB, QueryError, SchemaError, codes, type LogLine,
} from "@laminardb/node";
import { fails, open } from "./support.js";

const ENDLESS = "SELECT count(*) FROM generate_series(1, 1000000000) a, generate_series(1, 1000) b";

test("statements tell what they did", async () => {
  await using db = await open([]);
  const created = await db.execute("CREATE TABLE t (id INT PRIMARY KEY, v INT)");
  assert.deepEqual(
    [created.resultType, created.statement, created.object, created.rowsAffected],
    ["ddl", "CREATE TABLE", "t", 0],
  );
  const inserted = await db.execute("INSERT INTO t VALUES (1, 1), (2, 2)");
  assert.deepEqual([inserted.resultType, inserted.rowsAffected], ["dml", 2]);
  const updated = await db.execute("UPDATE t SET v = 3 WHERE id = 1");
  assert.deepEqual([updated.resultType, updated.rowsAffected, updated.toArray()], ["dml", 1, []]);
  const selected = await db.execute("SELECT id, v FROM t ORDER BY id");
  assert.deepEqual([selected.resultType, selected.rowsAffected], ["query", 2]);
  assert.deepEqual(selected.toArray(), [{ id: 1, v: 3 }, { id: 2, v: 2 }]);
});

test("a query is read as rows, as columns, or batch by batch", async () => {
  await using db = await open(["s (id INT, name VARCHAR)"]);
  await db.insert("s", { id: [1, 2, 3], name: ["a", null, "c"] });
  const sql = "SELECT * FROM s ORDER BY id";
  const rows = [{ id: 1, name: "a" }, { id: 2, name: null }, { id: 3, name: "c" }];
  assert.deepEqual(await db.query(sql).toArray(), rows);
  assert.deepEqual(await db.query(sql).toColumns(), { id: [1, 2, 3], name: ["a", null, "c"] });
  const seen = [];
  for await (const batch of db.query(sql)) seen.push(...batch);
  assert.deepEqual(seen, rows);
  const none = db.query("SELECT * FROM s WHERE id > 3");
  assert.deepEqual(await none.toColumns(), { id: [], name: [] });
  assert.deepEqual((await none.schema()).fields, [
    { name: "id", type: "INTEGER", nullable: true },
    { name: "name", type: "VARCHAR", nullable: true },
  ]);
  assert.equal(await none.next(), null);
});

test("many rows come in many batches", async () => {
  await using db = await open([]);
  const query = db.query<{ value: bigint }>("SELECT value FROM generate_series(1, 50000)");
  let [batches, rows, sum] = [0, 0, 0n];
  for await (const batch of query) {
    batches += 1;
    rows += batch.numRows;
    for (const value of batch.column("value").data as BigInt64Array) sum += value;
  }
  assert.equal(rows, 50_000);
  assert.equal(sum, (50_000n * 50_001n) / 2n);
  assert.ok(batches > 1);
});

test("reads of one query that are not awaited take turns", async () => {
  await using db = await open([]);
  const query = db.query("SELECT value FROM generate_series(1, 30000)");
  const batches = await Promise.all(Array.from({ length: 10 }, () => query.next()));
  const rows = batches.reduce((sum, batch) => sum + (batch?.numRows ?? 0), 0);
  assert.equal(rows, 30_000);
  assert.equal(batches.at(-1), null);
});

test("a query is cancelled: before, while it runs, by a signal, by leaving its loop", async () => {
  await using db = await open([]);
  const cancelled = fails(QueryError, codes.QUERY_CANCELLED);
  const before = db.query(ENDLESS);
  before.cancel();
  await assert.rejects(before.toArray(), cancelled);

  const running = db.query(ENDLESS);
  const read = running.toArray();
  await running.schema();
  running.cancel();
  running.cancel();
  await assert.rejects(read, cancelled);

  const controller = new AbortController();
  const signalled = db.query(ENDLESS, { signal: controller.signal }).toArray();
  await delay(5);
  controller.abort();
  await assert.rejects(signalled, cancelled);
  await assert.rejects(db.query("SELECT 1", { signal: controller.signal }).toArray(), cancelled);

  const left = db.query("SELECT value FROM generate_series(1, 1000000000)");
  for await (const batch of left) {
    assert.ok(batch.numRows > 0);
    break;
  }
  await assert.rejects(left.next(), cancelled);
});

test("long queries hold neither the event loop, nor the pool, nor each other up", async () => {
  await using db = await open(["s (id INT)"]);
  const controller = new AbortController();
  // Many more than libuv has threads.
  const long = Promise.allSettled(
    Array.from({ length: 12 }, () => db.query(ENDLESS, { signal: controller.signal }).toArray()),
  );
  let turns = 0;
  const turning = setInterval(() => (turns += 1), 1);
  await db.insert("s", { id: 1 });
  await stat(".");
  assert.deepEqual(await db.query("SELECT id FROM s").toArray(), [{ id: 1 }]);
  await delay(20);
  clearInterval(turning);
  controller.abort();
  for (const { status } of await long) assert.equal(status, "rejected");
  assert.ok(turns > 0);
});

test("errors have a class, a number, a code and a place", async () => {
  await using db = await open(["s (id INT)"]);
  await assert.rejects(db.execute("SELECT (1\n FROM"), (error: QueryError) => {
    fails(QueryError, codes.SQL_PARSE_ERROR)(error);
    assert.deepEqual(
      [error.ldbCode, error.line, error.name, codes.NAMES[error.code]],
      ["LDB-4101", 2, "QueryError", "SQL_PARSE_ERROR"],
    );
    return true;
  });
  await assert.rejects(db.query("SELECT nope FROM s").toArray(), fails(QueryError, 400, "nope"));
  await assert.rejects(db.query("SELECT 1 FROM n").toArray(), fails(SchemaError, 200, "`n`"));
  await assert.rejects(db.execute("CREATE SOURCE s (id INT)"), fails(SchemaError, 201, "`s`"));
  await assert.rejects(db.execute("SELECT '\0'"), fails(QueryError, 401, "NUL"));
  await assert.rejects(db.execute(5 as unknown as string), TypeError);
  await assert.rejects(LaminarDB.open(":memory:", { bufferSize: 3 }), fails(ConnectionError, 100));
  const unknown = { noSuchKey: 1 } as object;
  const form = { int64: "integer" } as object;
  await assert.rejects(LaminarDB.open(":memory:", form), /int64 is "bigint" or "number"/);
  assert.throws(() => db.query("SELECT 1", form), TypeError);
  await assert.rejects(db.subscribe("s", unknown).ready(), /noSuchKey/);
  await assert.rejects(LaminarDB.open(":memory:", unknown), fails(ConnectionError, 100, "no_such_key"));
  await assert.rejects(LaminarDB.open("/tmp/laminar"), fails(QueryError, codes.UNSUPPORTED));
  await assert.rejects(
    LaminarDB.open(":memory:", { storageDir: "/tmp/laminar" }),
    fails(QueryError, codes.UNSUPPORTED),
  );
});

test("the catalogue is listed", async () => {
  await using db = await open([
    "s (id INT, ts BIGINT, WATERMARK FOR ts)",
    "CREATE TABLE t (id INT PRIMARY KEY)",
    "CREATE STREAM big AS SELECT id FROM s WHERE id > 5",
    "CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM s",
    "CREATE SINK out FROM big",
  ]);
  await db.insert("s", { id: [5, 6], ts: [10, 20] });
  assert.deepEqual(
    await Promise.all([
      db.listSources(), db.listTables(), db.listStreams(), db.listViews(), db.listSinks(),
    ]),
    [["s"], ["t"], ["big"], ["n"], ["out"]],
  );
  const [source] = await db.sources();
  assert.deepEqual(
    [source?.watermarkColumn, source?.watermarkMs, source?.totalRows, source?.pendingRows],
    ["ts", 20, 2, 0],
  );
  const [stream] = await db.streams();
  assert.deepEqual([stream?.state, stream?.totalRows, stream?.error], ["running", 1, null]);
  assert.deepEqual(await db.sinks(), [{ name: "out", input: "big" }]);
  assert.deepEqual((await db.tables())[0]?.primaryKey, "id");
  assert.deepEqual((await db.schema("s")).names, ["id", "ts"]);
  assert.match(await db.explain("SELECT id FROM s WHERE id > 5"), /s/);
  await assert.rejects(db.schema("nope"), fails(SchemaError, codes.TABLE_NOT_FOUND));
});

test("metrics, topology, and what is open", async () => {
  await using db = await open([
    "s (id INT)",
    "CREATE STREAM big AS SELECT id FROM s WHERE id > 5",
    "CREATE STREAM bigger AS SELECT id FROM big WHERE id > 50",
  ]);
  await db.insert("s", [{ id: 1 }, { id: 6 }, { id: 60 }]);
  const metrics = await db.metrics();
  assert.deepEqual(
    [metrics.state, metrics.totalRowsIngested, metrics.totalRowsEmitted, metrics.streams, metrics.watermarkMs],
    ["running", 3, 3, 2, null],
  );
  const { nodes, edges } = await db.topology();
  assert.deepEqual(nodes.map(({ name, nodeType }) => `${nodeType} ${name}`), [
    "source s",
    "stream big",
    "stream bigger",
  ]);
  assert.deepEqual(edges, [
    { fromNode: "s", toNode: "big" },
    { fromNode: "big", toNode: "bigger" },
  ]);

  const query = db.query("SELECT value FROM generate_series(1, 1000000000)");
  const id = await query.id();
  const changes = await db.subscribe("big", { capacity: 64 }).ready();
  await db.insert("s", { id: 7 });
  assert.deepEqual((await db.queries()).map((info) => [info.id, info.kind]), [[id, "query"]]);
  const [listed] = await db.subscriptions();
  assert.deepEqual([listed?.stream, listed?.capacityRows, listed?.pendingRows], ["big", 64, 1]);
  assert.deepEqual([db.cancelQuery(id), db.cancelQuery(listed?.id ?? 0), db.cancelQuery(12345)], [
    true,
    true,
    false,
  ]);
  await assert.rejects(query.toArray(), fails(QueryError, codes.QUERY_CANCELLED));
  while ((await changes.next()) !== null);
  assert.equal((await db.subscriptions()).length, 0);
});

test("the log is heard from a level on, until it is not", async () => {
  await using db = await open(["s (id INT)"]);
  const heard: LogLine[] = [];
  await db.onLog((line) => heard.push(line));
  await db.execute("CREATE STREAM logged AS SELECT id FROM s");
  while (!heard.some(({ message }) => message.includes("logged"))) await delay(1);
  assert.ok(heard.every(({ level }) => level === "info"));
  await db.onLog((line) => heard.push(line), "debug");
  await db.query("SELECT 12345 AS n").toArray();
  while (!heard.some(({ level, message }) => level === "debug" && message.includes("12345"))) {
    await delay(1);
  }
  await db.onLog(null);
  const before = heard.length;
  await db.execute("CREATE STREAM unheard AS SELECT id FROM s");
  await delay(5);
  assert.equal(heard.length, before);
  await assert.rejects(db.onLog(() => {}, "loud" as never), TypeError);
});

test("a database in memory has no checkpoints", async () => {
  await using db = await open([]);
  await assert.rejects(db.checkpoint(), fails(QueryError, codes.UNSUPPORTED));
});

test("variables of the configuration are filled in", async () => {
  await using db = await open(
    ["s (id INT, name VARCHAR)", "CREATE STREAM mine AS SELECT id FROM s WHERE name = '${WHO}'"],
    { variables: { WHO: "me" } },
  );
  await db.insert("s", { id: [1, 2], name: ["me", "you"] });
  assert.deepEqual(await db.query("SELECT * FROM mine").toArray(), [{ id: 1 }]);
});
