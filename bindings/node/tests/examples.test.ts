/** The examples run and print what follows from their numbers. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { node } from "./support.js";

async function printed(example: string): Promise<string> {
  const { code, stdout, stderr } = await node([`../examples/${example}.js`]);
  assert.equal(code, 0, stderr);
  return stdout;
}

test("iot", async () => {
  const out = await printed("iot");
  // Temperatures are 20 + 1.5 * (t % 50): past 80 from t % 50 = 41 on, four times.
  assert.equal(out.match(/ALERT \[insert\]/g)?.length, 9 * 4);
  assert.match(out, /running: 200 readings in \d+ epochs, 36 alerts/);
  // device_4 has t % 50 of 4, 9, ... 49, so 26 to 93.5 and 59.75 on average.
  assert.match(out, /'device_4' │ 40 +│ 59.75 +│ 93.5 +│ 26 /);
});

test("timeseries", async () => {
  const out = await printed("timeseries");
  assert.match(out, /'AAPL' +│ 250 /);
  const volumes = Array.from({ length: 1000 }, (_, t) => 100 + ((t * 7919) % 15_000));
  assert.match(out, new RegExp(`^${volumes.filter((volume) => volume > 10_000).length} large`, "m"));
  // The last trade is at 999 s; five seconds before it, sixteen minutes are over.
  assert.match(out, /^64 bars are final/m);
});

test("correlation", async () => {
  const [activity = "", large = ""] = (await printed("correlation")).split("Large purchases");
  assert.equal(activity.match(/'(alice|bob)'/g)?.length, 3);
  assert.deepEqual(large.match(/'(alice|bob)'/g), ["'bob'", "'alice'"]);
});

test("dashboard", async () => {
  const out = await printed("dashboard");
  const slow = out.match(/Slow request: (api|web|worker) took \d+ ms/g) ?? [];
  assert.ok(slow.length >= 5);
  assert.match(out, new RegExp(`Detected ${slow.length} slow requests`));
});

test("producer and consumer", async () => {
  const out = await printed("producer_consumer");
  assert.match(out, /Producer done: 499 final watermark/);
  assert.match(out, /Consumed 500 events in 5 windows/);
});
