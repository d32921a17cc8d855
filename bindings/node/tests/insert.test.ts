/** What can be inserted, and how inserts take effect. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import {
  IngestionError, LaminarDB, SchemaError, codes, type Input, type InputRow,
} from "@laminardb/node";
import { fails, open } from "./support.js";

const SENSORS = "sensors (ts BIGINT, device VARCHAR, value DOUBLE)";
const ROWS = [
  { ts: 1n, device: "a", value: 42 },
  { ts: 2n, device: "b", value: 43.5 },
];

for (const [what, data] of [
  ["rows", ROWS],
  ["rows with columns in another order", ROWS.map(({ ts, device, value }) => ({ value, ts, device }))],
  ["an iterable of rows", new Set(ROWS)],
  ["a generator of rows", (function* () { yield* ROWS; })()],
  ["columns", { ts: [1, 2n], device: ["a", "b"], value: [42, 43.5] }],
  [
    "columns as typed arrays",
    { ts: new BigInt64Array([1n, 2n]), device: ["a", "b"], value: new Float64Array([42, 43.5]) },
  ],
  [
    "typed arrays of other types that fit",
    { ts: new Int32Array([1, 2]), device: ["a", "b"], value: new Float32Array([42, 43.5]) },
  ],
] as [string, Input][]) {
  test(`${what} go in`, async () => {
    await using db = await open([SENSORS]);
    assert.equal(await db.insert("sensors", data), 2);
    assert.deepEqual(await db.query("SELECT * FROM sensors ORDER BY ts").toArray(), ROWS);
    await using source = await db.source("sensors");
    if (!(Symbol.iterator in data) || Array.isArray(data)) {
      assert.equal(await source.push(data), 2);
      assert.equal(source.tryPush(data), true);
      await using writer = await db.writer("sensors");
      assert.equal(await writer.insert(data), 2);
      assert.equal(await writer.flush(), 2);
      const [counted] = await db.query("SELECT count(*) AS n FROM sensors").toArray();
      assert.deepEqual(counted, { n: 8n });
    }
  });
}

test("one row goes in, and what it leaves out is null", async () => {
  await using db = await open([SENSORS]);
  assert.equal(await db.insert("sensors", { ts: 1 }), 1);
  const expected = [{ ts: 1n, device: null, value: null }];
  assert.deepEqual(await db.query("SELECT * FROM sensors").toArray(), expected);
  assert.equal(await db.insert("sensors", []), 0);
  assert.equal(await db.insert("sensors", {}), 1);
});

test("a batch of a result goes in as it is, its columns found by name", async () => {
  await using db = await open([SENSORS, "copies (value DOUBLE, ts BIGINT, more INT)"]);
  await db.insert("sensors", ROWS);
  const batches = await db.query("SELECT ts, value FROM sensors ORDER BY ts").batches();
  for (const batch of batches) await db.insert("copies", batch);
  await using copies = await db.source("copies");
  for (const batch of batches) await copies.push(batch);
  assert.deepEqual(await db.query("SELECT * FROM copies ORDER BY ts, value LIMIT 3").toArray(), [
    { value: 42, ts: 1n, more: null },
    { value: 42, ts: 1n, more: null },
    { value: 43.5, ts: 2n, more: null },
  ]);
});

test("an object of arrays is one row where its columns are lists", async () => {
  await using db = await open(["s (a INT[], b VARCHAR[])"]);
  assert.equal(await db.insert("s", { a: [1, 2], b: ["x"] }), 1);
  assert.equal(await db.insert("s", { a: [[1, 2], [3]], b: [["x"], null] }), 2);
  assert.deepEqual(await db.query("SELECT a, b FROM s").toArray(), [
    { a: [1, 2], b: ["x"] },
    { a: [1, 2], b: ["x"] },
    { a: [3], b: null },
  ]);
});

test("bytes are the value of a row", async () => {
  await using db = await open(["s (a BYTEA)"]);
  assert.equal(await db.insert("s", { a: Buffer.from("xy") }), 1);
  assert.deepEqual(await db.query("SELECT a FROM s").toArray(), [{ a: new Uint8Array([120, 121]) }]);
});

for (const [what, data, code, words] of [
  ["a text", "ts", codes.INGESTION_FAILED, ["string"]],
  ["null", null, codes.INGESTION_FAILED, []],
  ["a number in an array", [1], codes.INGESTION_FAILED, ["row 1", "number"]],
  ["an array in an array", [{ ts: 1 }, []], codes.INGESTION_FAILED, ["row 2", "array"]],
  ["an unknown column", [{ ts: 1 }, { tz: 1 }], codes.BATCH_SCHEMA_MISMATCH, ["`tz`", "ts, device"]],
  ["an unknown column of columns", { tz: [1] }, codes.BATCH_SCHEMA_MISMATCH, ["`tz`"]],
  ["columns of two lengths", { ts: [1], value: [] }, codes.INGESTION_FAILED, ["`value`", "`ts`"]],
] as [string, Input, number, string[]][]) {
  test(`${what} is refused`, async () => {
    await using db = await open([SENSORS]);
    await using source = await db.source("sensors");
    await using writer = await db.writer("sensors");
    const refused = fails(IngestionError, code, ...words);
    await assert.rejects(db.insert("sensors", data), refused);
    await assert.rejects(source.push(data), refused);
    await assert.rejects(writer.insert(data), refused);
    assert.throws(() => source.tryPush(data), refused);
    assert.deepEqual(await db.query("SELECT * FROM sensors").toArray(), []);
  });
}

test("one wrong row keeps all of a call out, and nothing else", async () => {
  await using db = await open(["s (id BIGINT NOT NULL)"]);
  const refused = fails(IngestionError, codes.INGESTION_FAILED, "`id`", "row 2");
  await using writer = await db.writer("s");
  await writer.insert({ id: 1 });
  await assert.rejects(writer.insert([{ id: 2 }, { id: null }]), refused);
  await writer.insert({ id: 3 });
  assert.equal(await writer.flush(), 2);
  await assert.rejects(db.insert("s", [{ id: 4 }, {}]), refused);
  const ids = await db.query("SELECT id FROM s ORDER BY id").toArray();
  assert.deepEqual(ids, [{ id: 1n }, { id: 3n }]);
});

test("what a getter throws is what the call throws", async () => {
  await using db = await open(["s (id BIGINT, t TIMESTAMP(3)[])"]);
  const thrown = new Error("from the getter");
  const row = { get id(): number { throw thrown; } };
  await assert.rejects(db.insert("s", row), (error) => error === thrown);
  const nested = Object.defineProperty([1], 0, { get: () => { throw thrown; } });
  await assert.rejects(db.insert("s", [{ id: 1, t: nested }]), (error) => error === thrown);
});

test("inserts into one source take effect in their order, awaited or not", async () => {
  await using db = await open(["s (id INT)"]);
  const changes = db.subscribe<{ id: number }>("s");
  const ids = Array.from({ length: 200 }, (_, id) => id);
  await Promise.all(ids.map((id) => db.insert("s", { id })));
  const seen: number[] = [];
  for (let batch = changes.poll(); batch !== null; batch = changes.poll()) {
    seen.push(...batch.toArray().map((row) => row.id));
  }
  assert.deepEqual(seen, ids);
});

test("a source that was made anew is met with its new columns", async () => {
  await using db = await open(["s (id INT)"]);
  await db.insert("s", { id: 1 });
  await db.execute("DROP SOURCE s");
  await assert.rejects(db.insert("s", { id: 1 }), fails(SchemaError, codes.TABLE_NOT_FOUND, "`s`"));
  await db.execute("CREATE SOURCE s (name VARCHAR)");
  await db.insert("s", { name: "x" });
  assert.deepEqual(await db.query("SELECT * FROM s").toArray(), [{ name: "x" }]);
});

test("an insert waits for room without holding anything else up, and gives up in time", async () => {
  await using db = await LaminarDB.open(":memory:", { pushTimeoutMs: 60_000 });
  await db.execute("CREATE SOURCE s (id INT)");
  await db.execute("CREATE SOURCE other (id INT)");
  await db.start();
  const changes = db.subscribe("s", { capacity: 4, onFull: "block" });
  const four: InputRow[] = [1, 2, 3, 4].map((id) => ({ id }));
  await db.insert("s", four);
  // More of them than there are threads in the pool.
  let landed = 0;
  const waiting = Array.from({ length: 8 }, () =>
    db.insert("s", four).then((rows) => (landed += rows)),
  );
  const statement = db.execute("INSERT INTO s VALUES (5)").then(() => (landed += 1));
  await db.insert("other", { id: 1 });
  assert.deepEqual(await db.query("SELECT count(*) AS n FROM s").toArray(), [{ n: 4n }]);
  assert.equal(landed, 0);
  let read = 0;
  while (read < 37) read += (await changes.next())?.numRows ?? 0;
  await Promise.all([...waiting, statement]);
  assert.deepEqual([read, landed], [37, 33]);
});

test("an insert without room fails in the time that was set", async () => {
  await using db = await LaminarDB.open(":memory:", { pushTimeoutMs: 50 });
  await db.execute("CREATE SOURCE s (id INT)");
  await db.start();
  const changes = db.subscribe("s", { capacity: 4, onFull: "block" });
  const four: InputRow[] = [1, 2, 3, 4].map((id) => ({ id }));
  await using source = await db.source("s");
  await using writer = await db.writer("s");
  await source.push(four);
  const full = fails(IngestionError, codes.BACKPRESSURE);
  const begun = performance.now();
  await assert.rejects(db.insert("s", four), full);
  await assert.rejects(source.push(four), full);
  assert.equal(source.tryPush(four), false);
  await writer.insert(four);
  await assert.rejects(writer.flush(), full);
  await assert.rejects(db.execute("INSERT INTO s VALUES (5)"), full);
  assert.ok(performance.now() - begun >= 4 * 45);
  // The writer still has them.
  assert.equal(changes.poll()?.numRows, 4);
  await writer.close();
  assert.equal(changes.poll()?.numRows, 4);
});

test("what waits for room holds neither the pool nor anything else up, and lands once there is some", async () => {
  const names = ["a", "b", "c", "d", "e", "f", "g", "h"];
  await using db = await open(names.map((name) => `${name} (id INT)`));
  const readers = names.map((name) => db.subscribe(name, { capacity: 1, onFull: "block" }));
  await Promise.all(names.map((name) => db.insert(name, { id: 0 })));
  let landed = 0;
  const waiting = [
    ...names.map((name) => db.insert(name, { id: 1 })),
    ...names.map((name) => db.insertJson(name, '{"id": 2}')),
    ...Array.from({ length: 100 }, (_, id) => db.execute(`INSERT INTO a VALUES (${id})`)),
  ].map(async (call) => {
    await call;
    landed += 1;
  });
  // Files wait in the pool too.
  await Promise.all(Array.from({ length: 8 }, () => readFile(import.meta.filename)));
  assert.deepEqual(await db.query("SELECT id FROM h").toArray(), [{ id: 0 }]);
  assert.equal(landed, 0);
  let seen = 0;
  while (seen < 8 + 8 + 8 + 100) {
    for (const reader of readers) seen += reader.poll()?.numRows ?? 0;
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(waiting);
});

test("what waits for room ends with its database", async () => {
  const db = await open(["s (id INT)"]);
  const reader = await db.subscribe("s", { capacity: 1, onFull: "block" }).ready();
  await db.insert("s", { id: 0 });
  const waiting = [db.insert("s", { id: 1 }), db.execute("INSERT INTO s VALUES (2)")];
  const failed = Promise.allSettled(waiting);
  await new Promise((resolve) => setTimeout(resolve, 10));
  await db.close();
  for (const call of await failed) {
    assert.equal(call.status === "rejected" && call.reason.code, codes.CONNECTION_CLOSED);
  }
  assert.equal(reader.isActive, false);
});
