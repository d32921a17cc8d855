/** A day of trades: a summary for each symbol, bars of a minute, and the large trades. */

import { LaminarDB } from "@laminardb/node";

const db = await LaminarDB.open(":memory:", { int64: "number" });
await db.execute(`
  CREATE SOURCE trades (ts TIMESTAMP(3) NOT NULL, symbol VARCHAR, price DOUBLE, volume BIGINT,
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)`);
await db.execute(`
  CREATE STREAM price_summary AS
  SELECT symbol, count(*) AS trades, avg(price) AS avg_price, max(price) AS high, min(price) AS low,
    sum(volume) AS total_volume
  FROM trades GROUP BY symbol`);
await db.execute(`
  CREATE STREAM bars AS
  SELECT symbol, tumble(ts, INTERVAL '1' MINUTE) AS minute, first_value(price ORDER BY ts) AS open,
    max(price) AS high, min(price) AS low, last_value(price ORDER BY ts) AS close
  FROM trades GROUP BY symbol, tumble(ts, INTERVAL '1' MINUTE)`);
await db.execute(`
  CREATE STREAM whale_trades AS
  SELECT ts, symbol, price, volume FROM trades WHERE volume > 10000`);
await db.start();
const bars = db.subscribe("bars");

const symbols = ["AAPL", "GOOGL", "MSFT", "AMZN"];
const opening = Date.UTC(2023, 10, 14, 14, 30);
const writer = await db.writer("trades");
for (let t = 0; t < 1000; t++) {
  await writer.insert({
    ts: new Date(opening + t * 1000),
    symbol: symbols[t % 4],
    price: 100 + ((t * 37) % 200) / 10,
    volume: 100 + ((t * 7919) % 15_000),
  });
}
await writer.close();

console.table(await db.query("SELECT * FROM price_summary ORDER BY symbol").toArray());
const whales = await db.query("SELECT count(*) AS n FROM whale_trades").toArray();
console.log(`${whales[0]?.["n"]} large trades`);
let closed = 0;
for (let batch = bars.poll(); batch !== null; batch = bars.poll()) closed += batch.numRows;
console.log(`${closed} bars are final`);
await db.close();
