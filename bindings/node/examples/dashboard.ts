/** Shows slow requests as they happen, while others are measured. */

import { setTimeout as delay } from "node:timers/promises";

import { LaminarDB } from "@laminardb/node";

await using db = await LaminarDB.open();
await db.execute("CREATE SOURCE metrics (ts BIGINT, service VARCHAR, latency_ms DOUBLE)");
await db.execute("CREATE STREAM slow_requests AS SELECT * FROM metrics WHERE latency_ms > 500.0");
await db.start();

const services = ["api", "web", "worker"];
const measuring = new AbortController();
async function measure(): Promise<void> {
  for (let ts = 0; !measuring.signal.aborted; ts++) {
    const latency_ms = (ts * 173) % 700;
    await db.insert("metrics", { ts, service: services[ts % 3], latency_ms });
    await delay(1);
  }
}

let slow = 0;
const subscription = db.subscribe<{ service: string; latency_ms: number }>("slow_requests");
const measured = measure();
for await (const batch of subscription) {
  for (const { service, latency_ms } of batch) {
    slow += 1;
    console.log(`Slow request: ${service} took ${latency_ms} ms`);
  }
  if (slow >= 5) break;
}
measuring.abort();
await measured;
console.log(`Detected ${slow} slow requests`);
