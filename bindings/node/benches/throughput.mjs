/**
 * How many rows a second cross, each way and in each form; a line of JSON for each. `cpu` counts
 * the processor time of the whole process, so that other load on the machine matters less.
 *
 *     node throughput.mjs [SECONDS]    for each form, in a project with @laminardb/node
 */

import { LaminarDB, version } from "@laminardb/node";

const SECONDS = Number(process.argv[2] ?? 1);
const ROWS = 65_536;

const db = await LaminarDB.open(":memory:", { bufferSize: 2 ** 22, retainHistory: 1_024 });
await db.execute("CREATE SOURCE s (ts BIGINT NOT NULL, device VARCHAR, value DOUBLE, n INT)");
await db.start();

/** Repeats a call for some time. It answers how many rows it moved. */
async function measure(form, prepare, call) {
  let [rows, wall, cpu] = [0, 0, 0];
  for (let round = 0; wall < SECONDS * 1_000 || round < 3; round++) {
    await prepare();
    const [before, used] = [performance.now(), process.cpuUsage()];
    const moved = await call();
    const { user, system } = process.cpuUsage(used);
    if (round === 0) continue; // warms up
    rows += moved;
    wall += performance.now() - before;
    cpu += (user + system) / 1_000;
  }
  const perSecond = (time) => Math.round((rows / time) * 1_000);
  console.log(JSON.stringify({ form, rows_per_s: perSecond(wall), rows_per_cpu_s: perSecond(cpu) }));
}

const objects = Array.from({ length: ROWS }, (_, i) => {
  return { ts: i, device: `device ${i % 100}`, value: i * 0.5, n: i % 7 };
});
const columns = {
  ts: BigInt64Array.from(objects, (row) => BigInt(row.ts)),
  device: objects.map((row) => row.device),
  value: Float64Array.from(objects, (row) => row.value),
  n: Int32Array.from(objects, (row) => row.n),
};
const numbers = { ts: columns.ts, value: columns.value, n: columns.n };
const nothing = async () => {};

console.log(JSON.stringify({ version, node: process.version, rows: ROWS, seconds: SECONDS }));
await measure("insert row objects", nothing, () => db.insert("s", objects));
await measure("insert columns", nothing, () => db.insert("s", columns));
await measure("insert typed columns", nothing, () => db.insert("s", numbers));
await db.insert("s", columns);
const all = db.query(`SELECT * FROM s`);
const ipc = await all.toIPC();
await measure("insert Arrow IPC", nothing, () => db.insertArrow("s", ipc));

const writer = await db.writer("s");
await measure("writer, a row at a time", nothing, async () => {
  for (let i = 0; i < 4_096; i++) await writer.insert(objects[i]);
  return 4_096;
});
const source = await db.source("s");
await measure("tryPush, a row at a time", nothing, () => {
  for (let i = 0; i < 4_096; i++) source.tryPush(objects[i]);
  return 4_096;
});

const changes = await db.subscribe("s").ready();
/** Polls all that waits. */
const poll = (read) => () => {
  let rows = 0;
  for (let batch = changes.poll(); batch !== null; batch = changes.poll()) {
    read(batch);
    rows += batch.numRows;
  }
  return rows;
};
const refill = () => db.insert("s", columns);
await measure("poll typed columns", refill, poll((batch) => {
  for (const name of ["ts", "value", "n"]) batch.column(name).data;
}));
await measure("poll all columns", refill, poll((batch) => batch.toColumns()));
await measure("poll row objects", refill, poll((batch) => batch.toArray()));
changes.cancel();
const arrow = await db.subscribeArrow("s").ready();
await measure("poll Arrow IPC", refill, () => {
  let rows = 0;
  for (let batch = arrow.poll(); batch !== null; batch = arrow.poll()) rows += ROWS;
  return rows;
});
await db.close();
