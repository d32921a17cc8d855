/** Functions of SQL that are written in JavaScript: what they get and give, and how they fail. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  ConnectionError, LaminarDB, QueryError, SchemaError, type Batch, type InputValue,
} from "@laminardb/node";

import { fails, open } from "./support.js";

interface Range {
  low: number;
  high: number;
}

/** The largest value less the smallest. */
const spread = {
  update: (range: Range | null, x: number): Range =>
    range === null ? { low: x, high: x } : spread.merge(range, { low: x, high: x }),
  merge: (a: Range, b: Range): Range => ({
    low: Math.min(a.low, b.low),
    high: Math.max(a.high, b.high),
  }),
  evaluate: (range: Range | null): number | null => range === null ? null : range.high - range.low,
};

const SPREAD = {
  arguments: ["DOUBLE"],
  returns: "DOUBLE",
  state: { low: "DOUBLE", high: "DOUBLE" },
};

async function withSpread(statements: string[], options = {}): Promise<LaminarDB> {
  const db = await open([], { int64: "number" });
  await db.registerAggregate("spread", { ...SPREAD, ...options }, spread);
  for (const statement of statements) await db.execute(statement);
  return db;
}

test("a scalar function stands in streams and in queries", async () => {
  await using db = await LaminarDB.open();
  await db.registerScalar(
    "area",
    { arguments: ["DOUBLE", "DOUBLE"], returns: "DOUBLE" },
    (width: number | null, height: number | null) => (width ?? 0) * (height ?? 0),
  );
  await db.execute("CREATE SOURCE boxes (w DOUBLE, h DOUBLE)");
  await db.execute("CREATE STREAM areas AS SELECT area(w, h) AS area FROM boxes");
  await db.start();
  const areas = db.subscribe("areas");
  await db.insert("boxes", [{ w: 2, h: 3 }, { w: 4 }]);
  assert.deepEqual(areas.poll()?.toArray(), [{ area: 6 }, { area: 0 }]);
  assert.deepEqual(await db.query("SELECT area(w, 10) AS area FROM boxes ORDER BY area").toArray(), [
    { area: 20 },
    { area: 40 },
  ]);
  const [listed] = await db.query("SELECT name FROM laminar_functions").toArray();
  assert.deepEqual(listed, { name: "area" });
});

const VALUES: [type: string, sql: string, value: InputValue][] = [
  ["BOOLEAN", "true", true],
  ["SMALLINT", "CAST(7 AS SMALLINT)", 7],
  ["INTEGER", "CAST(-7 AS INTEGER)", -7],
  ["BIGINT", "9007199254740993", 9007199254740993n],
  ["DOUBLE", "CAST(0.1 AS DOUBLE)", 0.1],
  ["DECIMAL(10, 2)", "CAST(12.5 AS DECIMAL(10, 2))", "12.50"],
  ["VARCHAR", "'żółw 🐢'", "żółw 🐢"],
  ["BYTEA", "CAST('ab' AS BYTEA)", new Uint8Array([97, 98])],
  ["DATE", "DATE '2026-01-02'", new Date("2026-01-02")],
  ["TIMESTAMP(3)", "TIMESTAMP '2026-01-02 03:04:05.006'", new Date("2026-01-02T03:04:05.006Z")],
  ["BIGINT[]", "[1, 2]", [1n, 2n]],
  ["DOUBLE", "CAST(NULL AS DOUBLE)", null],
];

for (const [type, sql, value] of VALUES) {
  test(`a value of ${type} goes in and out: ${sql}`, async () => {
    await using db = await open([]);
    const seen: unknown[] = [];
    await db.registerScalar("same", { arguments: [type], returns: type }, (given: InputValue) => {
      seen.push(given);
      return given;
    });
    const [row] = await db.query(`SELECT same(CAST(${sql} AS ${type})) AS v, same(NULL) AS none`).toArray();
    assert.deepEqual(row, { v: value, none: null });
    assert.ok(seen.length >= 2);
    assert.deepEqual(seen[0], value);
  });
}

test("values have the form that was asked for", async () => {
  await using db = await open([], { int64: "number" });
  const types: string[] = [];
  const note = (value: InputValue): InputValue => (types.push(typeof value), value);
  const signature = { arguments: ["BIGINT"], returns: "BIGINT" };
  await db.registerScalar("as_set", signature, note);
  await db.registerScalar("as_bigint", { ...signature, int64: "bigint" }, note);
  await db.query("SELECT as_set(1)").toArray();
  await db.query("SELECT as_bigint(1)").toArray();
  assert.deepEqual([...new Set(types)], ["number", "bigint"]);
});

test("functions without arguments", async () => {
  await using db = await open(["s (id INT)"]);
  let calls = 0;
  const signature = { arguments: [], returns: "INTEGER" };
  await db.registerScalar("seven", signature, () => 7);
  await db.registerScalar("ticket", { ...signature, volatility: "volatile" }, () => (calls += 1));
  await db.registerVectorized("row_count", { ...signature, volatility: "volatile" }, (rows) =>
    new Int32Array(rows.numRows).fill(rows.numRows));
  await db.execute("CREATE STREAM t AS SELECT id, seven() AS seven, ticket() AS ticket, row_count() AS n FROM s");
  const changes = db.subscribe("t");
  await db.insert("s", { id: [1, 2, 3] });
  assert.deepEqual(changes.poll()?.toArray(), [
    { id: 1, seven: 7, ticket: 1, n: 3 },
    { id: 2, seven: 7, ticket: 2, n: 3 },
    { id: 3, seven: 7, ticket: 3, n: 3 },
  ]);
  await assert.rejects(
    db.registerAggregate("none", { ...SPREAD, arguments: [] }, spread),
    fails(QueryError, 400, "none", "argument"),
  );
});

test("a function of columns gets many rows at once", async () => {
  await using db = await open(["s (a DOUBLE, name VARCHAR)"]);
  const batches: number[] = [];
  await db.registerVectorized("twice", { arguments: ["DOUBLE"], returns: "DOUBLE" }, (rows) => {
    batches.push(rows.numRows);
    return (rows.column("argument_1").data as Float64Array).map((x) => 2 * x);
  });
  await db.registerVectorized("label", { arguments: ["VARCHAR", "DOUBLE"], returns: "VARCHAR" }, (rows: Batch) =>
    rows.toArray().map(({ argument_1: name, argument_2: a }) => a === null ? null : `${name}=${a}`));
  await db.execute("CREATE STREAM t AS SELECT twice(a) AS a, label(name, a) AS label FROM s");
  const changes = db.subscribe("t");
  const a = Float64Array.from({ length: 1_000 }, (_, index) => index);
  await db.insert("s", { a, name: Array.from(a, () => "n") });
  const rows = changes.poll()?.toArray();
  assert.deepEqual([rows?.length, rows?.[999]], [1_000, { a: 1_998, label: "n=999" }]);
  assert.deepEqual(batches, [1_000]);
});

test("a strict function hears nothing of NULL", async () => {
  await using db = await open(["s (a INT, b INT)"]);
  const heard: unknown[] = [];
  const signature = { arguments: ["INTEGER", "INTEGER"], returns: "INTEGER" };
  await db.registerScalar("plus", { ...signature, strict: true }, (a: number, b: number) => {
    heard.push([a, b]);
    return a + b;
  });
  await db.execute("CREATE STREAM t AS SELECT plus(a, b) AS c FROM s");
  const changes = db.subscribe("t");
  await db.insert("s", [{ a: 1, b: 2 }, { a: 1 }, { b: 2 }]);
  assert.deepEqual(changes.poll()?.toArray(), [{ c: 3 }, { c: null }, { c: null }]);
  assert.deepEqual(heard, [[1, 2]]);
});

test("an aggregate function keeps its state in columns", async () => {
  await using db = await withSpread([
    "CREATE SOURCE s (k VARCHAR, x DOUBLE)",
    "CREATE MATERIALIZED VIEW v AS SELECT k, spread(x) AS spread FROM s GROUP BY k",
  ], { strict: true });
  await db.insert("s", [{ k: "a", x: 3 }, { k: "a", x: 8 }, { k: "b", x: 1 }, { k: "c" }]);
  await db.insert("s", { k: "a", x: -2 });
  const rows = await db.query("SELECT * FROM v ORDER BY k").toArray();
  assert.deepEqual(rows, [{ k: "a", spread: 10 }, { k: "b", spread: 0 }, { k: "c", spread: null }]);
  assert.deepEqual(await db.query("SELECT spread(x) AS s FROM s WHERE k = 'a'").toArray(), [{ s: 10 }]);
});

test("overlapping windows merge states", async () => {
  await using db = await withSpread([
    "CREATE SOURCE s (ts BIGINT NOT NULL, x DOUBLE, WATERMARK FOR ts)",
    `CREATE STREAM w AS SELECT window_start AS s, spread(x) AS spread FROM s
     GROUP BY hop(ts, 10, 20) EMIT ON WINDOW CLOSE`,
  ]);
  const windows = db.subscribe("w");
  const source = await db.source("s");
  await source.push([{ ts: 12, x: 5 }, { ts: 18, x: 9 }, { ts: 21, x: 1 }]);
  await source.watermark(39);
  const closed: { s: number; spread: number }[] = [];
  for (let batch = windows.poll(); batch !== null; batch = windows.poll()) {
    closed.push(...(batch.toArray() as unknown as { s: number; spread: number }[]));
  }
  closed.sort((a, b) => a.s - b.s);
  assert.deepEqual(closed, [
    { s: 0, spread: 4 },
    { s: 10, spread: 8 },
    { s: 20, spread: 0 },
  ]);
});

test("over rows that change only a retractable function stands", async () => {
  const statements = [
    "CREATE TABLE t (id INT PRIMARY KEY, x DOUBLE)",
    "CREATE MATERIALIZED VIEW v AS SELECT spread(x) AS spread FROM t",
  ];
  await assert.rejects(withSpread(statements), fails(QueryError, 403, "spread"));
  await using db = await withSpread(statements, { retractable: true });
  await db.insert("t", { id: [1, 2, 3], x: [1, 5, 9] });
  assert.deepEqual(await db.query("SELECT * FROM v").toArray(), [{ spread: 8 }]);
  await db.execute("DELETE FROM t WHERE id = 3");
  assert.deepEqual(await db.query("SELECT * FROM v").toArray(), [{ spread: 4 }]);
});

test("many rows at once for an aggregate function", async () => {
  await using db = await open(["s (x BIGINT)"]);
  const sizes: number[] = [];
  await db.registerAggregate(
    "total",
    { arguments: ["BIGINT"], returns: "BIGINT", state: { total: "BIGINT", "odd \"name\"": "BIGINT" } },
    {
      update: () => assert.fail("rows come together"),
      updateAll: (state: { total: bigint } | null, rows: Batch) => {
        sizes.push(rows.numRows);
        let total = state?.total ?? 0n;
        for (const x of rows.column(0).data as BigInt64Array) total += x;
        return { total };
      },
      merge: (a, b) => ({ total: a.total + b.total }),
      evaluate: (state) => state?.total ?? 0n,
    },
  );
  await db.execute("CREATE MATERIALIZED VIEW v AS SELECT total(x) AS total FROM s");
  await db.insert("s", { x: BigInt64Array.from({ length: 100 }, (_, index) => BigInt(index)) });
  await db.insert("s", { x: [1n, 2n] });
  assert.deepEqual(await db.query("SELECT * FROM v").toArray(), [{ total: 4953n }]);
  assert.deepEqual(sizes, [100, 2]);
});

for (const [what, call, words] of [
  ["throws", () => { throw new RangeError("too far"); }, "RangeError: too far"],
  ["throws what has no text", () => { throw { toString() { throw new Error("no"); } }; }, "no text"],
  ["throws a text", () => { throw "plain words"; }, "plain words"],
  ["answers a promise", async () => { throw new Error("late"); }, "promise"],
  ["answers what does not fit", () => "a text", "result"],
  ["answers a symbol", () => Symbol("s") as never, "symbol"],
] as [string, () => InputValue, string][]) {
  test(`a function that ${what} refuses its row`, async () => {
    await using db = await open(["s (id INT)"]);
    await db.registerScalar("f", { arguments: ["INTEGER"], returns: "INTEGER" }, (id: number) =>
      id === 2 ? call() : id);
    await db.execute("CREATE STREAM t AS SELECT f(id) AS id FROM s");
    const changes = db.subscribe("t");
    await db.insert("s", { id: [1, 2, 3] });
    assert.deepEqual(changes.poll()?.toArray(), [{ id: 1 }, { id: 3 }]);
    const [letter] = await db.query("SELECT error FROM laminar_dead_letters").toArray();
    assert.ok(String(letter?.["error"]).includes(words), String(letter?.["error"]));
    await assert.rejects(db.query("SELECT f(id) FROM s WHERE id = 2").toArray(), fails(QueryError, 400, words));
    // What was refused leaves nothing behind.
    await db.insert("s", { id: 4 });
    assert.deepEqual(changes.poll()?.toArray(), [{ id: 4 }]);
  });
}

test("a function of columns that gives too little, or no columns", async () => {
  await using db = await open([]);
  const signature = { arguments: ["INTEGER"], returns: "INTEGER" };
  await db.registerVectorized("short", signature, () => []);
  await db.registerVectorized("none", signature, () => undefined as never);
  await assert.rejects(db.query("SELECT short(CAST(1 AS INT))").toArray(), fails(QueryError, 400, "0 results for 1 rows"));
  await assert.rejects(db.query("SELECT none(CAST(1 AS INT))").toArray(), fails(QueryError, 400, "no array"));
});

test("what cannot be registered is refused", async () => {
  const db = await open([]);
  const signature = { arguments: ["INTEGER"], returns: "INTEGER" };
  const same = (value: InputValue): InputValue => value;
  await db.registerScalar("f", signature, same);
  await assert.rejects(db.registerScalar("f", signature, same), fails(SchemaError, 201, "f"));
  await assert.rejects(db.registerScalar("F G", signature, same), fails(QueryError, 400));
  await assert.rejects(db.registerScalar("g", { ...signature, returns: "NO TYPE" }, same), fails(QueryError, 401));
  await assert.rejects(db.registerScalar("g", signature, 7 as never), fails(QueryError, 400, "no function"));
  await assert.rejects(
    db.registerScalar("g", { ...signature, volatility: "sometimes" as never }, same),
    fails(QueryError, 400, "volatil"),
  );
  await assert.rejects(
    db.registerAggregate("g", SPREAD, { ...spread, merge: undefined as never }),
    fails(QueryError, 400, "merge"),
  );
  await assert.rejects(
    db.registerAggregate("g", { ...SPREAD, state: {} }, spread),
    fails(QueryError, 400, "state"),
  );
  await db.close();
  await assert.rejects(db.registerScalar("g", signature, same), fails(ConnectionError, 101));
});

test("a state with another column is refused", async () => {
  await using db = await open(["s (x DOUBLE)"]);
  await db.registerAggregate("odd", SPREAD, { ...spread, update: () => ({ middle: 1 }) as never });
  await assert.rejects(db.query("SELECT odd(1.0)").toArray(), fails(QueryError, 400, "middle", "low, high"));
});

test("a condition of a subscription calls functions", async () => {
  await using db = await open(["s (id INT)"]);
  const seen: unknown[] = [];
  await db.registerScalar("is_odd", { arguments: ["INTEGER"], returns: "BOOLEAN" }, (id: number) => {
    // Nothing is there yet, and nothing is waited for.
    seen.push(odd.poll());
    return id % 2 === 1;
  });
  const odd = db.subscribe("s", { where: "is_odd(id)" });
  await db.insert("s", { id: [1, 2, 3] });
  assert.deepEqual(odd.poll()?.toArray(), [{ id: 1 }, { id: 3 }]);
  assert.deepEqual(seen, [null, null, null]);
});
