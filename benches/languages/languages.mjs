/**
 * The same as languages.c in Node: objects as rows, and batches that stay in Arrow, whose columns are
 * views on its memory. In a project with @laminardb/node:
 *
 *     node languages.mjs SECONDS
 */

import { LaminarDB } from "@laminardb/node";

const SECONDS = Number(process.argv[2] ?? 1);

const db = await LaminarDB.open(":memory:", { int64: "number" });
await db.execute("CREATE SOURCE trades (symbol VARCHAR, price DOUBLE, ts BIGINT)");
await db.execute("CREATE STREAM dear AS SELECT * FROM trades WHERE price >= 50");
await db.start();
const source = await db.source("trades");
const changes = await db.subscribe("dear").ready();

/** Every other row passes the filter; a row on its own does. */
function tradesOf(rows) {
  return Array.from({ length: rows }, (_, row) => {
    return { symbol: `S${row % 100}`, price: rows === 1 || row % 2 === 1 ? 100 : 0, ts: row };
  });
}

/** Two rounds, of which the first warms up. */
function measure(name, rows, data, read) {
  let pushes = 0;
  let used = 0;
  for (let round = 0; round < 2; round++) {
    const begun = process.cpuUsage();
    pushes = 0;
    do {
      for (let i = 0; i < 16; i++, pushes++) {
        if (!source.tryPush(data)) throw new Error("there is room");
        let passed = 0;
        for (let batch = changes.poll(); batch !== null; batch = changes.poll()) passed += read(batch);
        if (passed !== Math.ceil(rows / 2)) throw new Error("half of the rows pass");
      }
      const { user, system } = process.cpuUsage(begun);
      used = user + system;
    } while (used < SECONDS * 1e6);
  }
  const cpu = Math.round((used * 1e4) / (pushes * rows)) / 10;
  console.log(JSON.stringify({ bench: "languages", language: "Node", name, cpu_ns_per_row: cpu }));
}

/** The same rows as a batch of Arrow. */
async function batchOf(rows) {
  const keep = `CREATE SOURCE kept${rows} (symbol VARCHAR, price DOUBLE, ts BIGINT)`;
  await db.execute(keep);
  await db.insert(`kept${rows}`, tradesOf(rows));
  const [batch] = await db.query(`SELECT * FROM kept${rows}`).batches();
  return batch;
}

measure("1 row", 1, tradesOf(1)[0], (batch) => batch.toArray().length);
measure("1,000 rows", 1_000, tradesOf(1_000), (batch) => batch.toArray().length);
for (const rows of [1_000, 8_192]) {
  const batch = await batchOf(rows);
  if (batch.numRows !== rows) throw new Error("the batch is whole");
  measure(`Arrow, ${rows.toLocaleString("en")}`, rows, batch, (found) => {
    if (found.column("price").data.length !== found.numRows) throw new Error("each row has a price");
    return found.numRows;
  });
}
await db.close();
