/** What the types promise, for the compiler alone: nothing here runs. */

import {
  LaminarDB, type ArrowChange, type Batch, type Change, type ChangeBatch, type Column, type InputRow, type LaminarConfig,
  type Row, type Subscription, type Value, codes,
} from "@laminardb/node";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(..._: Same<A, B> extends true ? [] : [never]): void {}

interface Bar {
  symbol: string;
  start: Date;
  high: number | null;
}

export async function types(db: LaminarDB): Promise<void> {
  const rows = await db.query("SELECT 1").toArray();
  same<typeof rows, Row[]>();
  const bars = db.query<Bar>("SELECT * FROM bars");
  same<Awaited<ReturnType<typeof bars.toArray>>, Bar[]>();
  same<Awaited<ReturnType<typeof bars.toColumns>>, { [K in keyof Bar]: Bar[K][] }>();
  for await (const batch of bars) {
    same<typeof batch, Batch<Bar>>();
    const high = batch.column("high");
    same<typeof high, Column<number>>();
    const value = high.get(0);
    same<typeof value, number | null>();
    for (const row of batch) same<typeof row, Bar>();
    const any = batch.column(0).get(0);
    same<typeof any, Value>();
  }

  const changes = db.subscribe<Bar>("bars", { snapshot: true, where: "high > 1", onFull: "block" });
  same<typeof changes, Subscription<ChangeBatch<Bar>>>();
  for await (const batch of changes) {
    const [change] = batch.changes();
    same<typeof change, Change<Bar> | undefined>();
    same<typeof batch.weights, Int8Array | null>();
  }
  const next = await changes.next(10);
  same<typeof next, ChangeBatch<Bar> | null>();
  const arrow = await db.subscribeArrow("bars").next();
  same<typeof arrow, ArrowChange | null>();

  const row: InputRow = { id: 1, at: new Date(), tags: ["a", null], nested: { bytes: new Uint8Array() } };
  await db.insert("s", row);
  await db.insert("s", [row]);
  await db.insert("s", { id: [1n], v: new Float64Array(1) });
  // An interface is not an index signature, and goes in all the same.
  const bar: Bar = { symbol: "A", start: new Date(), high: null };
  await db.insert("bars", { ...bar });

  const numbers = { arguments: ["DOUBLE"], returns: "DOUBLE" } as const;
  await db.registerScalar("one", { ...numbers, strict: true, volatility: "stable" }, (x: number) => x + 1);
  await db.registerScalar("none", { arguments: [], returns: "VARCHAR" }, () => "text");
  await db.registerVectorized("many", numbers, (rows) => {
    same<typeof rows, Batch>();
    return new Float64Array(rows.numRows);
  });
  await db.registerAggregate("total", { ...numbers, state: { sum: "DOUBLE" }, retractable: true }, {
    update: (state: { sum: number } | null, x: number) => ({ sum: (state?.sum ?? 0) + x }),
    merge: (a, b) => {
      same<typeof a, { sum: number }>();
      return { sum: a.sum + b.sum };
    },
    evaluate: (state) => state?.sum ?? null,
  });
  // @ts-expect-error a symbol is no result
  await db.registerScalar("wrong", numbers, () => Symbol("x"));
  // @ts-expect-error there is no such volatility
  await db.registerScalar("wrong", { ...numbers, volatility: "never" }, () => 1);
  // @ts-expect-error a promise is no result
  await db.registerScalar("wrong", numbers, async () => 1);
  // @ts-expect-error a state needs columns
  await db.registerAggregate("wrong", numbers, { update: (s) => s, merge: (a) => a, evaluate: () => 1 });

  // @ts-expect-error symbols cannot be stored
  await db.insert("s", { id: Symbol("id") });
  // @ts-expect-error a text is no row
  await db.insert("s", "text");
  // @ts-expect-error there is no such form
  db.query("SELECT 1", { int64: "string" });
  // @ts-expect-error there is no such setting
  const config: LaminarConfig = { bufferSise: 1 };
  // @ts-expect-error a number is no time
  await db.subscribe("bars").next("10");
  // @ts-expect-error columns have the names of the row
  const none: Column<number> = (await bars.batches())[0]?.column("low");
  // @ts-expect-error databases are opened
  new LaminarDB();
  const code: 303 = codes.BACKPRESSURE;
  void [config, none, code];
}
