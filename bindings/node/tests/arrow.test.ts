/** Arrow IPC, with apache-arrow on the other side. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { tableFromArrays, tableFromIPC, tableToIPC, type Table } from "apache-arrow";

import { IngestionError, SchemaError, codes } from "@laminardb/node";
import { fails, open } from "./support.js";

/** A table of apache-arrow: its strings are dictionaries. */
function table(): Table {
  return tableFromArrays({
    id: new BigInt64Array([1n, 2n, 3n]),
    name: ["a", null, "ü😀"],
    value: new Float32Array([0.5, 1.5, -2]),
    at: [new Date(0), new Date(1), new Date(86_400_000)],
  });
}

const SOURCE = "s (value DOUBLE, id BIGINT NOT NULL, name VARCHAR, at TIMESTAMP(3), more INT)";
const ROWS = [
  { id: 1n, name: "a", value: 0.5, at: new Date(0), more: null },
  { id: 2n, name: null, value: 1.5, at: new Date(1), more: null },
  { id: 3n, name: "ü😀", value: -2, at: new Date(86_400_000), more: null },
];
const ALL = "SELECT id, name, value, at, more FROM s ORDER BY id";

for (const format of ["stream", "file"] as const) {
  test(`a table goes in as an IPC ${format}, its columns found by name`, async () => {
    await using db = await open([SOURCE]);
    assert.equal(await db.insertArrow("s", tableToIPC(table(), format)), 3);
    assert.deepEqual(await db.query(ALL).toArray(), ROWS);
    await using source = await db.source("s");
    const bytes = tableToIPC(table(), format);
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    assert.equal(await source.pushArrow(buffer as ArrayBuffer), 3);
    assert.deepEqual(await db.query("SELECT count(*) AS n FROM s").toArray(), [{ n: 6n }]);
  });
}

test("a result comes out as IPC", async () => {
  await using db = await open([SOURCE]);
  await db.insert("s", ROWS);
  const result = tableFromIPC(await db.query(ALL).toIPC());
  assert.equal(result.numRows, 3);
  assert.deepEqual(result.schema.fields.map((field) => [field.name, String(field.type)]), [
    ["id", "Int64"],
    ["name", "Utf8"],
    ["value", "Float64"],
    ["at", "Timestamp<MILLISECOND>"],
    ["more", "Int32"],
  ]);
  assert.deepEqual(result.getChild("id")?.toArray(), new BigInt64Array([1n, 2n, 3n]));
  assert.deepEqual([...(result.getChild("name") ?? [])], ["a", null, "ü😀"]);
  assert.deepEqual([...(result.getChild("at") ?? [])].map(Number), [0, 1, 86_400_000]);
  assert.equal(result.getChild("more")?.nullCount, 3);
  const empty = tableFromIPC(await db.query(`${ALL} LIMIT 0`).toIPC());
  assert.deepEqual([empty.numRows, empty.numCols], [0, 5]);
});

test("what came out goes in again", async () => {
  await using db = await open([SOURCE, "copy (id BIGINT, name VARCHAR)"]);
  await db.insert("s", ROWS);
  const bytes = await db.query("SELECT name, id FROM s").toIPC();
  await db.insertArrow("copy", bytes);
  await db.insertArrow("copy", tableToIPC(tableFromIPC(bytes)));
  const sql = "SELECT id, count(*) AS n FROM copy GROUP BY id ORDER BY id";
  assert.deepEqual(await db.query(sql).toArray(), [1n, 2n, 3n].map((id) => ({ id, n: 2n })));
});

test("changes come as IPC, with their epoch and weights", async () => {
  await using db = await open([
    SOURCE,
    "CREATE STREAM n AS SELECT name, count(*) AS n FROM s GROUP BY name EMIT CHANGES",
  ]);
  const changes = db.subscribeArrow("n");
  await db.insert("s", { id: 1, name: "a" });
  await db.insert("s", { id: 2, name: "a" });
  const first = await changes.next();
  assert.deepEqual([first?.isReset, first?.epoch], [false, changes.epoch]);
  for await (const change of changes) {
    const rows = tableFromIPC(change.ipc).toArray().map((row) => [row.name, row.n]);
    assert.deepEqual(rows, [["a", 1n], ["a", 2n]]);
    assert.deepEqual(change.weights, new Int8Array([-1, 1]));
    break;
  }
  assert.equal(changes.poll(), null);
});

test("lists and structs cross", async () => {
  await using db = await open(["n (tags VARCHAR[], at STRUCT<x INT, y DOUBLE>)"]);
  await db.insert("n", [{ tags: ["a", null], at: { x: 1, y: 0.5 } }, {}]);
  const bytes = await db.query("SELECT * FROM n").toIPC();
  const [row, nulls] = tableFromIPC(bytes).toArray();
  assert.deepEqual([[...row.tags], row.at.x, row.at.y], [["a", null], 1, 0.5]);
  assert.deepEqual([nulls.tags, nulls.at], [null, null]);
  assert.equal(await db.insertArrow("n", bytes), 2);
});

test("Arrow data that does not fit is refused whole", async () => {
  await using db = await open([SOURCE]);
  const good = tableToIPC(table());
  const refused = (error: unknown): true => {
    assert.ok(error instanceof IngestionError, String(error));
    return true;
  };
  await assert.rejects(db.insertArrow("s", new Uint8Array([1, 2, 3])), refused);
  await assert.rejects(db.insertArrow("s", good.slice(0, good.length / 2)), refused);
  const wrong = tableToIPC(tableFromArrays({ id: ["x"] }));
  await assert.rejects(db.insertArrow("s", wrong), (error) => {
    refused(error);
    return (error as Error).message.includes("`id`");
  });
  await assert.rejects(db.insertArrow("s", "text" as never), fails(IngestionError, 300));
  await assert.rejects(db.insertArrow("t", good), fails(SchemaError, codes.TABLE_NOT_FOUND));
  assert.deepEqual(await db.query(ALL).toArray(), []);
});

test("rows go in as JSON and CSV", async () => {
  await using db = await open([SOURCE]);
  assert.equal(await db.insertJson("s", '[{"id": 1, "name": "a"}, {"id": 2, "at": 5}]'), 2);
  assert.equal(await db.insertCsv("s", "id,name,value\n3,c,0.5\n"), 1);
  assert.equal(await db.insertCsv("s", "id;name\n4;-\n", { delimiter: ";", null: "-" }), 1);
  assert.equal(await db.insertJson("s", '{"id": 5, "at": 7}', { epoch: "s" }), 1);
  assert.deepEqual(await db.query("SELECT id, name, value, at FROM s ORDER BY id").toArray(), [
    { id: 1n, name: "a", value: null, at: null },
    { id: 2n, name: null, value: null, at: new Date(5) },
    { id: 3n, name: "c", value: 0.5, at: null },
    { id: 4n, name: null, value: null, at: null },
    { id: 5n, name: null, value: null, at: new Date(7_000) },
  ]);
  await assert.rejects(db.insertJson("s", '{"id": "x"}'), fails(IngestionError, 300, "`id`"));
  await assert.rejects(db.insertCsv("s", "id\nx\n"), fails(IngestionError, 300, "`id`"));
});
