/** Watches sensors: alerts as they come, statistics for each device. */

import { LaminarDB } from "@laminardb/node";

const db = await LaminarDB.open(":memory:", { int64: "number" });
await db.execute("CREATE SOURCE sensors (ts BIGINT, device VARCHAR, temp DOUBLE, humidity DOUBLE)");
await db.execute(`
  CREATE STREAM temp_alerts AS
  SELECT ts, device, temp FROM sensors WHERE temp > 80.0 OR temp < -20.0`);
await db.execute(`
  CREATE STREAM device_stats AS
  SELECT device, count(*) AS readings, avg(temp) AS avg_temp, max(temp) AS max_temp, min(temp) AS min_temp
  FROM sensors GROUP BY device`);
await db.start();

let alerts = 0;
const watching = db.subscribeCallback<{ device: string; temp: number }>("temp_alerts", (batch) => {
  for (const { op, row } of batch.changes()) {
    alerts += 1;
    console.log(`ALERT [${op}] ${row.device}: temp=${row.temp}`);
  }
});

const writer = await db.writer("sensors");
for (let t = 0; t < 200; t++) {
  await writer.insert({
    ts: t * 1000,
    device: `device_${t % 5}`,
    temp: 20 + (t % 50) * 1.5, // some will exceed 80
    humidity: 40 + (t % 20),
  });
  if (t % 50 === 49) await writer.watermark(t * 1000);
}
await writer.close();

console.table(await db.query("SELECT * FROM device_stats ORDER BY device").toArray());
const { state, totalRowsIngested, epochs } = await db.metrics();
console.log(`${state}: ${totalRowsIngested} readings in ${epochs} epochs, ${alerts} alerts`);
watching.cancel();
await db.close();
