/** Following changes. */

import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "node:test";

import {
  ConnectionError, LaminarError, SchemaError, StreamError, SubscriptionError, codes, type Change, type ChangeBatch,
} from "@laminardb/node";
import { fails, open } from "./support.js";

const READINGS = "readings (ts BIGINT, sensor VARCHAR, temp DOUBLE)";
const ALERTS = "CREATE STREAM alerts AS SELECT sensor, temp FROM readings WHERE temp > 100";
const HOT = { ts: 1, sensor: "boiler", temp: 105 };
const ALERT = { sensor: "boiler", temp: 105 };

test("a subscription counts from the call that made it, awaited or not", async () => {
  await using db = await open([READINGS, ALERTS]);
  for (let round = 0; round < 20; round++) {
    const alerts = db.subscribe("alerts");
    await db.insert("readings", HOT);
    const batch = await alerts.next(10_000);
    assert.deepEqual(batch?.toArray(), [ALERT]);
    alerts.cancel();
  }
  await using source = await db.source("readings");
  const first = db.subscribe("alerts");
  const pushed = source.push(HOT);
  assert.deepEqual((await first.next())?.numRows, 1);
  await pushed;
  const second = db.subscribe("alerts");
  // It cannot wait, so it does not go before the subscription.
  assert.equal(source.tryPush(HOT), false);
  await second.ready();
  assert.equal(source.tryPush(HOT), true);
  assert.equal(second.poll()?.numRows, 1);
});

test("a loop gets the batches in order and ends with the database", async () => {
  await using db = await open([READINGS, ALERTS]);
  const seen: number[] = [];
  const loop = (async () => {
    for await (const batch of db.subscribe<{ temp: number }>("alerts")) {
      seen.push(...batch.toArray().map((row) => row.temp));
      if (seen.length === 50) await db.close();
    }
    return "ended";
  })();
  for (let temp = 101; temp <= 150; temp++) await db.insert("readings", { ...HOT, temp });
  assert.equal(await loop, "ended");
  assert.deepEqual(seen, Array.from({ length: 50 }, (_, index) => 101 + index));
});

test("leaving the loop cancels", async () => {
  await using db = await open([READINGS, ALERTS]);
  const alerts = db.subscribe("alerts");
  await db.insert("readings", HOT);
  for await (const batch of alerts) {
    assert.equal(batch.numRows, 1);
    break;
  }
  assert.equal(alerts.isActive, false);
  assert.equal(await alerts.next(), null);
  assert.equal((await db.streams())[0]?.subscribers, 0);
});

test("next waits, in time or without end, and poll does not", async () => {
  await using db = await open([READINGS, ALERTS]);
  const alerts = await db.subscribe("alerts").ready();
  assert.equal(alerts.poll(), null);
  const begun = performance.now();
  assert.equal(await alerts.next(30), null);
  assert.ok(performance.now() - begun >= 25);
  const three = [alerts.next(), alerts.next(), alerts.next(10_000)];
  assert.equal(alerts.poll(), null);
  for (const temp of [101, 102, 103]) await db.insert("readings", { ...HOT, temp });
  const temps = (await Promise.all(three)).map((batch) => batch?.column("temp").get(0));
  assert.deepEqual(temps, [101, 102, 103]);
  await db.insert("readings", HOT);
  assert.deepEqual(alerts.poll()?.toArray(), [ALERT]);
  assert.equal(alerts.poll(), null);
});

test("those who wait get null when it is cancelled", async () => {
  await using db = await open([READINGS, ALERTS]);
  const alerts = db.subscribe("alerts");
  const waiting = [alerts.next(), alerts.next(60_000)];
  await alerts.ready();
  alerts.cancel();
  alerts.cancel();
  assert.deepEqual(await Promise.all(waiting), [null, null]);
  assert.equal(alerts.poll(), null);
  const early = db.subscribe("alerts");
  const waiter = early.next();
  early.cancel();
  assert.equal(await waiter, null);
  await early.ready();
  assert.equal((await db.streams())[0]?.subscribers, 0);
});

test("changes have an operation each, from the weights", async () => {
  await using db = await open([
    READINGS,
    "CREATE STREAM counts AS SELECT sensor, count(*) AS n FROM readings GROUP BY sensor EMIT CHANGES",
  ]);
  const counts = db.subscribe("counts", { int64: "number" });
  await db.insert("readings", [HOT, HOT]);
  const first = await counts.next();
  const change = (op: Change["op"], n: number): Change => ({
    op,
    row: { sensor: "boiler", n, _weight: op === "insert" ? 1 : -1 },
  });
  assert.deepEqual(first?.changes(), [change("insert", 2)]);
  await db.insert("readings", HOT);
  const second = await counts.next();
  assert.deepEqual(second?.weights, new Int8Array([-1, 1]));
  assert.deepEqual(second?.changes(), [change("delete", 2), change("insert", 3)]);
  assert.ok(second.epoch > (first?.epoch ?? 0));
  assert.equal(counts.epoch, second.epoch);
  assert.equal(second.isReset, false);
});

test("a query begins with its rows, a name does not, unless told otherwise", async () => {
  await using db = await open([READINGS, ALERTS]);
  await db.insert("readings", HOT);
  const sql = "SELECT sensor, temp FROM readings WHERE temp > 100";
  const rows = async (name: string, snapshot?: boolean): Promise<number> => {
    using changes = db.subscribe(name, snapshot === undefined ? {} : { snapshot });
    return (await (await changes.ready()).next(20))?.numRows ?? 0;
  };
  assert.deepEqual(
    [await rows(sql), await rows(sql, false), await rows("alerts"), await rows("alerts", true)],
    [1, 0, 0, 1],
  );
});

test("a condition chooses among the rows of a name", async () => {
  await using db = await open([READINGS, ALERTS]);
  await db.insert("readings", { ...HOT, sensor: "kiln" });
  const kilns = db.subscribe("alerts", { where: "sensor = 'kiln' AND temp < 200" });
  await db.insert("readings", [HOT, { ...HOT, sensor: "kiln" }, { ...HOT, temp: 300 }]);
  assert.deepEqual((await kilns.next())?.toArray(), [{ sensor: "kiln", temp: 105 }]);
  assert.equal(kilns.poll(), null);
  for (const [name, where] of [["SELECT ts FROM readings", "true"], ["alerts", "nope > 1"]] as const) {
    await assert.rejects(db.subscribe(name, { where }).ready(), LaminarError);
  }
});

test("a subscription goes on from an epoch", async () => {
  await using db = await open([READINGS, ALERTS]);
  const first = db.subscribe("alerts");
  for (const temp of [101, 102, 103]) await db.insert("readings", { ...HOT, temp });
  const asOfEpoch = (await first.next())?.epoch ?? 0;
  first.cancel();
  const second = db.subscribe("alerts", { asOfEpoch });
  const temps = [];
  for (let batch; temps.length < 2 && (batch = await second.next()) !== null; ) {
    temps.push(...batch.column("temp"));
  }
  assert.deepEqual(temps, [102, 103]);
});

test("it is cancelled by a signal", async () => {
  await using db = await open([READINGS, ALERTS]);
  const controller = new AbortController();
  const alerts = db.subscribe("alerts", { signal: controller.signal });
  const waiting = alerts.next();
  await delay(5);
  controller.abort();
  assert.equal(await waiting, null);
  const aborted = db.subscribe("alerts", { signal: controller.signal });
  assert.equal(await aborted.next(), null);
});

test("what cannot be followed says so, wherever it is noticed first", async () => {
  await using db = await open([READINGS]);
  const missing = fails(SchemaError, codes.TABLE_NOT_FOUND, "`nope`");
  await assert.rejects(db.subscribe("nope").ready(), missing);
  await assert.rejects(db.subscribe("nope").next(), missing);
  await assert.rejects(db.subscribe("nope").schema(), missing);
  await assert.rejects(async () => {
    for await (const _ of db.subscribe("nope"));
  }, missing);
  const told: unknown[] = [];
  const callbacks = db.subscribeCallback("nope", () => {}, (error) => told.push(error));
  await callbacks.done;
  assert.equal(told.length, 1);
  missing(told[0]);
  // Nobody asked this one; it is no unhandled rejection.
  db.subscribe("nope");
  await db.insert("readings", HOT);
});

test("a stream that fails fails its subscribers, and nobody else", async () => {
  await using db = await open([
    READINGS,
    "CREATE STREAM ratios AS SELECT 1 / ts AS r FROM readings ON ERROR FAIL",
  ]);
  const ratios = db.subscribe("ratios");
  const all = db.subscribe("readings");
  await db.insert("readings", { ...HOT, ts: 0 });
  await assert.rejects(ratios.next(), fails(StreamError, codes.STREAM_FAILED));
  assert.equal(await ratios.next(), null);
  assert.equal(ratios.isActive, false);
  assert.equal((await all.next())?.numRows, 1);
});

test("rows that were missed are told, and it goes on", async () => {
  await using db = await open(["s (id INT)"]);
  const changes = await db.subscribe("s", { capacity: 4 }).ready();
  for (let id = 1; id <= 6; id++) await db.insert("s", { id });
  assert.throws(() => changes.poll(), fails(SubscriptionError, codes.SUBSCRIPTION_LAGGED, "2 rows"));
  assert.equal(changes.lagged, 2);
  const ids = [];
  for (let batch = changes.poll(); batch !== null; batch = changes.poll()) {
    ids.push(...batch.column("id"));
  }
  assert.deepEqual(ids, [3, 4, 5, 6]);
  assert.equal(changes.isActive, true);
});

test("a result that changes begins anew when changes were missed", async () => {
  await using db = await open(["s (k INT)", "CREATE STREAM n AS SELECT k, count(*) AS n FROM s GROUP BY k"]);
  const changes = await db.subscribe("n", { capacity: 4, int64: "number" }).ready();
  const ks = Array.from({ length: 40 }, (_, k) => ({ k }));
  for (const row of ks) await db.insert("s", row);
  const content = new Map<unknown, unknown>();
  let resets = 0;
  for (let batch = changes.poll(); batch !== null; batch = changes.poll()) {
    if (batch.isReset) {
      resets += 1;
      content.clear();
    }
    for (const { op, row } of batch.changes()) {
      if (op === "insert") content.set(row["k"], row["n"]);
      else content.delete(row["k"]);
    }
  }
  assert.equal(resets, 1);
  assert.deepEqual([...content.keys()].sort((a, b) => Number(a) - Number(b)), ks.map(({ k }) => k));
});

test("callbacks get batches one at a time and may be slow", async () => {
  await using db = await open([READINGS, ALERTS]);
  const seen: unknown[] = [];
  let inside = 0;
  const callbacks = db.subscribeCallback<typeof ALERT>("alerts", async (batch) => {
    inside += 1;
    assert.equal(inside, 1);
    await delay(1);
    seen.push(...batch.column("temp"));
    inside -= 1;
  });
  for (const temp of [101, 102, 103, 104]) await db.insert("readings", { ...HOT, temp });
  while (seen.length < 4) await delay(1);
  assert.deepEqual(seen, [101, 102, 103, 104]);
  assert.equal(callbacks.isActive, true);
  callbacks.cancel();
  await callbacks.done;
  assert.equal(callbacks.isActive, false);
});

test("what a callback throws goes to the error callback, and it goes on", async () => {
  await using db = await open([READINGS, ALERTS]);
  const told: unknown[] = [];
  const oops = new Error("oops");
  const onData = (_: ChangeBatch): void => {
    throw oops;
  };
  const callbacks = db.subscribeCallback("alerts", onData, (error) => told.push(error));
  await db.insert("readings", HOT);
  await db.insert("readings", HOT);
  while (told.length < 2) await delay(1);
  assert.deepEqual(told, [oops, oops]);
  await db.close();
  await callbacks.done;
  assert.equal(told.length, 2);
});

test("a subscription is a stream of Node's", async () => {
  await using db = await open([READINGS, ALERTS]);
  const alerts = db.subscribe("alerts");
  const stream = Readable.from(alerts);
  await db.insert("readings", [HOT, HOT]);
  for await (const batch of stream as AsyncIterable<ChangeBatch>) {
    assert.deepEqual(batch.toArray(), [ALERT, ALERT]);
    break;
  }
  assert.equal(stream.destroyed, true);
  assert.equal(alerts.isActive, false);
});

test("many subscriptions wait at once", async () => {
  await using db = await open(["s (id INT)"]);
  const all = Array.from({ length: 200 }, () => db.subscribe("s"));
  const waiting = all.map((changes) => changes.next());
  await db.insert("s", { id: 7 });
  const batches = await Promise.all(waiting);
  assert.ok(batches.every((batch) => batch?.column("id").get(0) === 7));
});

test("after close everything says so, and what waits ends", async () => {
  const db = await open([READINGS, ALERTS]);
  const alerts = await db.subscribe("alerts").ready();
  const waiting = alerts.next();
  const source = await db.source("readings");
  const writer = await db.writer("readings");
  await writer.insert(HOT);
  const query = db.query("SELECT 1");
  await Promise.all([db.close(), db.close()]);
  assert.equal(await waiting, null);
  const closed = fails(ConnectionError, codes.CONNECTION_CLOSED);
  assert.equal(db.isClosed, true);
  for (const call of [
    () => db.start(),
    () => db.execute("SELECT 1"),
    () => db.query("SELECT 1").toArray(),
    () => query.toArray(),
    () => db.explain("SELECT 1"),
    () => db.insert("readings", HOT),
    () => db.source("readings"),
    () => db.writer("readings"),
    () => db.subscribe("alerts").ready(),
    () => alerts.next(),
    () => source.push(HOT),
    () => source.watermark(1),
    () => source.endOfInput(),
    () => source.clone(),
    () => source.pending(),
    () => writer.insert(HOT),
    () => writer.flush(),
    () => writer.watermark(1),
    () => db.sources(),
  ]) {
    await assert.rejects(call, closed, call.toString());
  }
  assert.throws(() => alerts.poll(), closed);
  assert.throws(() => source.tryPush(HOT), closed);
  assert.deepEqual([alerts.isActive, source.isClosed, writer.isClosed], [false, true, true]);
  alerts.cancel();
  await source.close();
  await writer.close();
  await db.close();
});
