/** One side writes events, the other counts them as they come; both on one event loop. */

import { LaminarDB } from "@laminardb/node";

const db = await LaminarDB.open();
await db.execute("CREATE SOURCE events (ts BIGINT, type VARCHAR, payload DOUBLE, WATERMARK FOR ts)");
await db.execute(`
  CREATE STREAM per_window AS
  SELECT tumble(ts, 100) AS start, count(*) AS events FROM events GROUP BY tumble(ts, 100)`);
await db.start();

async function produce(): Promise<void> {
  const writer = await db.writer("events");
  for (let ts = 0; ts < 500; ts++) {
    await writer.insert({ ts, type: `evt_${ts % 3}`, payload: ts });
    if (ts % 50 === 49) await writer.watermark(ts);
  }
  console.log(`Producer done: ${writer.currentWatermark} final watermark`);
  await writer.close();
}

let consumed = 0;
async function consume(): Promise<void> {
  for await (const batch of db.subscribe("SELECT * FROM events")) consumed += batch.numRows;
}

const consuming = consume();
await produce();
const windows = await db.query("SELECT count(*) AS n FROM per_window").toArray();
await db.close(); // the loop over the subscription ends
await consuming;
console.log(`Consumed ${consumed} events in ${windows[0]?.["n"]} windows`);
