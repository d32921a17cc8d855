/** Joins two kinds of events by their user, and streams of that join. */

import { LaminarDB } from "@laminardb/node";

const db = await LaminarDB.open(":memory:", { int64: "number" });
await db.execute("CREATE SOURCE logins (ts BIGINT, user_id VARCHAR, ip VARCHAR)");
await db.execute("CREATE SOURCE purchases (ts BIGINT, user_id VARCHAR, amount DOUBLE)");
await db.execute(`
  CREATE STREAM user_activity AS
  SELECT l.user_id, l.ip, p.amount, p.ts AS purchase_ts
  FROM logins l JOIN purchases p ON l.user_id = p.user_id`);
await db.execute(`
  CREATE STREAM large_purchases AS
  SELECT user_id, amount, purchase_ts FROM user_activity WHERE amount > 500.0`);
await db.start();

await Promise.all([
  db.insert("logins", [
    { ts: 1, user_id: "alice", ip: "1.2.3.4" },
    { ts: 2, user_id: "bob", ip: "5.6.7.8" },
  ]),
  db.insert("purchases", [
    { ts: 3, user_id: "alice", amount: 29.99 },
    { ts: 4, user_id: "bob", amount: 999 },
    { ts: 5, user_id: "alice", amount: 750 },
  ]),
]);

console.log("User activity");
console.table(await db.query("SELECT * FROM user_activity ORDER BY purchase_ts").toArray());
console.log("Large purchases");
console.table(await db.query("SELECT * FROM large_purchases ORDER BY purchase_ts").toArray());
await db.close();
