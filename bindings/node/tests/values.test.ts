/** Values of every type, in and out. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { IngestionError, QueryError, codes, type InputValue, type Value } from "@laminardb/node";
import { fails, open } from "./support.js";

/** Inserts values into a column of a type and reads them again. */
async function roundTrip(type: string, values: InputValue[], options = {}): Promise<Value[]> {
  await using db = await open([`s (i INT, v ${type})`]);
  await db.insert("s", values.map((v, i) => ({ i, v })));
  const rows = await db.query("SELECT v FROM s ORDER BY i", options).toArray();
  return rows.map((row) => row["v"] as Value);
}

const DAY = Date.UTC(2024, 1, 29);
const NOON = new Date(Date.UTC(2024, 1, 29, 12, 0, 0, 7));

for (const [type, given, expected] of [
  ["BOOLEAN", [true, false], [true, false]],
  ["TINYINT", [-128, 127n], [-128, 127]],
  ["SMALLINT", [-32768, 32767], [-32768, 32767]],
  ["INT", [-(2 ** 31), 2 ** 31 - 1, -0], [-(2 ** 31), 2 ** 31 - 1, 0]],
  ["TINYINT UNSIGNED", [0, 255], [0, 255]],
  ["INT UNSIGNED", [0, 2 ** 32 - 1], [0, 2 ** 32 - 1]],
  [
    "BIGINT",
    [-1, 2 ** 53 - 1, -(2 ** 53 - 1), -(2n ** 63n), 2n ** 63n - 1n],
    [-1n, 2n ** 53n - 1n, -(2n ** 53n - 1n), -(2n ** 63n), 2n ** 63n - 1n],
  ],
  ["BIGINT UNSIGNED", [0, 7n, 2n ** 64n - 1n], [0n, 7n, 2n ** 64n - 1n]],
  ["REAL", [0.5, -1e10], [0.5, -1e10]],
  ["DOUBLE", [0.1, -Infinity, NaN, 3n], [0.1, -Infinity, NaN, 3]],
  ["DECIMAL(10, 2)", ["-12.50", "3", 7, 0.25, 8n], ["-12.50", "3.00", "7.00", "0.25", "8.00"]],
  ["DECIMAL(40, 0)", [2n ** 100n, "-1"], [(2n ** 100n).toString(), "-1"]],
  ["VARCHAR", ["", "a\0b", "grüß 😀", "z"], ["", "a\0b", "grüß 😀", "z"]],
  [
    "BYTEA",
    [Buffer.from("ab"), new Uint8Array([0, 255]), new Uint8Array().buffer],
    [new Uint8Array([97, 98]), new Uint8Array([0, 255]), new Uint8Array()],
  ],
  ["DATE", [new Date(DAY), new Date(-DAY), 1], [new Date(DAY), new Date(-DAY), new Date(86400000)]],
  ["TIME", [0, 86399999999999n], [0n, 86399999999999n]],
  ["TIMESTAMP(0)", [new Date(DAY), -5], [new Date(DAY), new Date(-5000)]],
  ["TIMESTAMP(3)", [NOON, -1, 5n], [NOON, new Date(-1), new Date(5)]],
  ["TIMESTAMP(6)", [NOON, -1, 1999], [NOON, new Date(-1), new Date(1)]],
  ["TIMESTAMP(9)", [NOON, -1n, 1999999], [NOON, new Date(-1), new Date(1)]],
  ["TIMESTAMP(3) WITH TIME ZONE", [NOON], [NOON]],
  ["INT[]", [[1, 2], [], [null], new Int16Array([3])], [[1, 2], [], [null], [3]]],
  ["BIGINT[]", [[1, 2n ** 60n]], [[1n, 2n ** 60n]]],
  ["VARCHAR[][]", [[["a"], []]], [[["a"], []]]],
  [
    "STRUCT<x INT, y STRUCT<z TIMESTAMP(3)>>",
    [{ x: 1, y: { z: NOON } }, { y: null }],
    [{ x: 1, y: { z: NOON } }, { x: null, y: null }],
  ],
] as [string, InputValue[], Value[]][]) {
  test(`${type} goes in and comes out`, async () => {
    // With nulls between, so that each value is at another place in its column.
    const padded = given.flatMap((value) => [value, null, undefined]);
    const nulls = expected.flatMap((value) => [value, null, null]);
    assert.deepEqual(await roundTrip(type, padded), nulls);
    assert.deepEqual(await roundTrip(type, given), expected);
  });
}

for (const [type, value] of [
  ["TINYINT", 128],
  ["TINYINT UNSIGNED", -1],
  ["INT", 0.5],
  ["INT", "1"],
  ["INT", true],
  ["BIGINT", 2 ** 53],
  ["BIGINT", 2n ** 63n],
  ["BIGINT", NaN],
  ["BIGINT UNSIGNED", -1n],
  ["BIGINT UNSIGNED", 2n ** 64n],
  ["DOUBLE", 2n ** 53n + 1n],
  ["DOUBLE", "0.5"],
  ["DECIMAL(4, 1)", "1.25"],
  ["DECIMAL(4, 1)", 1234],
  ["DECIMAL(4, 1)", NaN],
  ["VARCHAR", 1],
  ["VARCHAR", "half \ud83d"],
  ["BYTEA", "text"],
  ["DATE", NOON],
  ["TIMESTAMP(0)", NOON],
  ["TIMESTAMP(3)", new Date(NaN)],
  ["TIMESTAMP(3)", "2024-02-29"],
  ["TIME", -1],
  ["INT[]", [0.5]],
  ["INT[]", 1],
  ["STRUCT<x INT>", { y: 1 }],
  ["BOOLEAN", 1],
] as [string, InputValue][]) {
  test(`${String(value)} (${typeof value}) does not fit ${type}`, async () => {
    await using db = await open([`s (i INT, v ${type})`]);
    await assert.rejects(
      db.insert("s", [{ i: 1 }, { i: 2, v: value }]),
      fails(IngestionError, codes.INGESTION_FAILED, "`v`", "row 2"),
    );
    assert.deepEqual(await db.query("SELECT * FROM s").toArray(), []);
  });
}

test("symbols and functions cannot be stored", async () => {
  await using db = await open(["s (v VARCHAR)"]);
  for (const v of [Symbol("v"), () => 1]) {
    const row = { v } as unknown as { v: string };
    await assert.rejects(db.insert("s", row), fails(IngestionError, codes.INGESTION_FAILED));
  }
});

test("a text that ends with half of a pair does not join with the next", async () => {
  await using db = await open(["s (v VARCHAR)"]);
  const rows = [{ v: "a\ud83d" }, { v: "\ude00b" }];
  await assert.rejects(db.insert("s", rows), fails(IngestionError, codes.INGESTION_FAILED, "`v`"));
});

test("64-bit integers are numbers where that is asked for and exact", async () => {
  const options = { int64: "number" };
  assert.deepEqual(await roundTrip("BIGINT", [7, null, -(2 ** 53 - 1)], options), [
    7,
    null,
    -(2 ** 53 - 1),
  ]);
  assert.deepEqual(await roundTrip("BIGINT[]", [[7]], options), [[7]]);
  assert.deepEqual(await roundTrip("TIME", [5n], options), [5]);
  for (const type of ["BIGINT", "BIGINT[]", "BIGINT UNSIGNED"]) {
    const value = type.endsWith("]") ? [2n ** 53n] : 2n ** 53n;
    await assert.rejects(roundTrip(type, [value], options), fails(QueryError, 400, "9007199254740992"));
  }
});

test("timestamps and dates are milliseconds where that is asked for", async () => {
  const options = { timestamps: "ms" };
  assert.deepEqual(await roundTrip("TIMESTAMP(3)", [NOON], options), [NOON.getTime()]);
  assert.deepEqual(await roundTrip("TIMESTAMP(6)", [1_500, -1_500], options), [1.5, -1.5]);
  assert.deepEqual(await roundTrip("TIMESTAMP(9)", [1_250_000, -250_000], options), [1.25, -0.25]);
  assert.deepEqual(await roundTrip("TIMESTAMP(0)", [-2], options), [-2_000]);
  assert.deepEqual(await roundTrip("DATE", [2], options), [172_800_000]);
  assert.deepEqual(await roundTrip("TIMESTAMP(6)[]", [[1_500]], options), [[1.5]]);
});

test("timestamps are cut to the millisecond exactly, over their whole range", async () => {
  // Each beside the border of a millisecond, far from 1970.
  const ms = [0n, 1n, -1n, 1_700_000_000_123n, -1_700_000_000_123n, 9_000_000_000_000n];
  const counts = ms.flatMap((ms) => [ms * 1_000_000n, ms * 1_000_000n + 999_999n]);
  const expected = ms.flatMap((ms) => [new Date(Number(ms)), new Date(Number(ms))]);
  assert.deepEqual(await roundTrip("TIMESTAMP(9)", counts), expected);
});

test("decimals are numbers where that is asked for", async () => {
  const options = { decimals: "number" };
  assert.deepEqual(await roundTrip("DECIMAL(10, 2)", ["-12.50"], options), [-12.5]);
});

test("a database has forms of its own, which a query can change", async () => {
  await using db = await open(["s (v BIGINT, p DECIMAL(4, 1))"], {
    int64: "number",
    decimals: "number",
  });
  await db.insert("s", { v: 1, p: 0.5 });
  assert.deepEqual(await db.query("SELECT * FROM s").toArray(), [{ v: 1, p: 0.5 }]);
  const options = { int64: "bigint" } as const;
  assert.deepEqual(await db.query("SELECT * FROM s", options).toArray(), [{ v: 1n, p: 0.5 }]);
});

test("intervals, maps and durations come out of queries", async () => {
  await using db = await open([]);
  const sql =
    "SELECT INTERVAL '1 month 2 days 3 seconds' AS i, MAP(['a', 'b'], [1, NULL]) AS m, " +
    "arrow_cast(5, 'Duration(Millisecond)') AS d, arrow_cast('x', 'Dictionary(Int8, Utf8)') AS k";
  const [row] = await db.query(sql).toArray();
  assert.deepEqual(row, {
    i: { months: 1, days: 2, nanoseconds: 3_000_000_000n },
    m: new Map([["a", 1n], ["b", null]]),
    d: 5n,
    k: "x",
  });
});

test("columns are typed arrays where they are of numbers", async () => {
  await using db = await open(["s (a INT, b BIGINT, c DOUBLE, d BOOLEAN, e TIMESTAMP(3), f VARCHAR)"]);
  await db.insert("s", [
    { a: 1, b: 2, c: 0.5, d: true, e: 9, f: "x" },
    { a: 3, b: 4, d: false, e: 10, f: "ü" },
  ]);
  const [batch] = await db.query("SELECT * FROM s ORDER BY a").batches();
  assert.ok(batch);
  assert.deepEqual(batch.column("a").data, new Int32Array([1, 3]));
  assert.deepEqual(batch.column("b").data, new BigInt64Array([2n, 4n]));
  assert.deepEqual(batch.column("d").data, new Uint8Array([1, 0]));
  assert.deepEqual(batch.column("e").data, new BigInt64Array([9n, 10n]));
  assert.deepEqual([...batch.column("e")], [new Date(9), new Date(10)]);
  const c = batch.column("c");
  assert.deepEqual([c.data?.[0], c.validity, c.get(1)], [0.5, new Uint8Array([1, 0]), null]);
  const f = batch.column(5);
  assert.deepEqual([f.data, f.validity, f.toArray(), f.name, f.type, f.length], [
    undefined,
    null,
    ["x", "ü"],
    "f",
    "VARCHAR",
    2,
  ]);
  assert.throws(() => f.get(2), RangeError);
  assert.throws(() => batch.column("g" as "a"), /there is no column g; the columns are a, b/);
  // They are copies.
  batch.column("a").data?.fill(0 as never);
  assert.deepEqual(batch.toColumns()["a"], [1, 3]);
});

test("names of columns are only names", async () => {
  await using db = await open([]);
  const sql = `SELECT 1 AS "__proto__", 2 AS "constructor", 3 AS ""`;
  const [row] = await db.query(sql, { int64: "number" }).toArray();
  assert.deepEqual(Object.entries(row ?? {}), [["__proto__", 1], ["constructor", 2], ["", 3]]);
  assert.equal(Object.getPrototypeOf(row), Object.prototype);
  const [batch] = await db.query(sql, { int64: "number" }).batches();
  assert.deepEqual(Object.keys(batch?.toColumns() ?? {}), ["__proto__", "constructor", ""]);
});
