// Runs contract scenarios through @laminardb/node: `driver.mjs scenario.json...`; see ../README.md.
import { codes, LaminarDB, LaminarError } from "@laminardb/node";
import { readFileSync } from "node:fs";

function check(condition, ...what) {
  if (!condition)
    throw new Error(what.map((part) => (typeof part === "string" ? part : shown(part))).join(" "));
}

function shown(value) {
  return JSON.stringify(value, (_, item) => (typeof item === "bigint" ? String(item) : item));
}

/** A value of a scenario as JavaScript has it. */
function native(value) {
  if (Array.isArray(value)) return value.map(native);
  if (typeof value !== "object" || value === null) return value;
  const [[tag, text] = [""], ...others] = Object.entries(value);
  if (others.length > 0 || !tag.startsWith("@")) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, native(item)]));
  }
  switch (tag) {
    case "@int":
      return BigInt(text);
    case "@float":
      return Number(text);
    case "@decimal":
      return text;
    case "@bytes":
      return Uint8Array.from(Buffer.from(text, "hex"));
    case "@date":
    case "@timestamp":
    case "@instant":
      return new Date(text.includes("T") ? `${text}Z` : text);
    case "@time":
      return BigInt(nanoseconds(text));
  }
  throw new Error(`there is no value ${tag}`);
}

/** A time of the day, which is a count in JavaScript. */
function nanoseconds(text) {
  return Date.parse(`1970-01-01T${text}Z`) * 1e6;
}

const TIME = /^\d\d:\d\d:\d\d/;

function equal(wanted, got) {
  if (got instanceof Date) {
    return typeof wanted === "string" &&
        Date.parse(wanted.includes("T") ? `${wanted}Z` : wanted) === got.getTime();
  }
  if (got instanceof Uint8Array) return wanted === Buffer.from(got).toString("hex");
  if (got instanceof Map) return equal(wanted, Object.fromEntries(got));
  if (typeof wanted === "string" && (typeof got === "bigint" || typeof got === "number")) {
    return wanted === String(got) || (TIME.test(wanted) && nanoseconds(wanted) === Number(got));
  }
  if (typeof wanted === "number")
    return (typeof got === "bigint" || typeof got === "number") && wanted === Number(got);
  if (Array.isArray(wanted)) {
    return Array.isArray(got) && wanted.length === got.length &&
        wanted.every((item, at) => equal(item, got[at]));
  }
  if (typeof wanted === "object" && wanted !== null) {
    const names = Object.keys(wanted);
    return (
        typeof got === "object" && got !== null && names.length === Object.keys(got).length &&
        names.every((name) => name in got && equal(wanted[name], got[name])));
  }
  return wanted === got;
}

/** In any order unless `ordered`, as SQL promises none. */
function compare(step, batches) {
  const got = batches.flatMap(
      (batch) => batch.toArray().map((row, at) => ({
                                       row: batch.schema.names.map((name) => row[name]),
                                       weight: batch.weights?.[at] ?? 1,
                                     })),
  );
  const all = got.slice();
  step.rows.forEach((wanted, at) => {
    const weight = step.weights?.[at] ?? 1;
    const same = (came) => came.weight === weight && equal(wanted, came.row);
    const found = step.ordered ? (got.length > 0 && same(got[0]) ? 0 : -1) : got.findIndex(same);
    check(found >= 0, "row", wanted, "is not in", all);
    got.splice(found, 1);
  });
  check(got.length === 0, "there are more rows than expected:", all);
}

const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
const camelKeys = (object = {}) =>
    Object.fromEntries(Object.entries(object).map(([key, value]) => [camel(key), value]));

/** How long something is waited for that is to come. */
const WAIT_MS = 10_000;

/** Waits until something is found. */
async function until(find) {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const found = find();
    if (found !== undefined && found !== false) return found;
    check(performance.now() < deadline, "it did not come");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** The functions of SQL that there are to register. */
const functions = {
  twice: (db) => db.registerScalar("twice", {arguments: ["BIGINT"], returns: "BIGINT"}, (number) => {
    if (number === 13n) throw new Error("no 13 here");
    return number === null ? null : 2n * number;
  }),
  seven: (db) => db.registerScalar("seven", {arguments: [], returns: "BIGINT"}, () => 7),
  total: (db) => db.registerAggregate(
      "total",
      {
        arguments: ["BIGINT"],
        returns: "BIGINT",
        state: {total: "BIGINT"},
        retractable: true,
        strict: true,
      },
      {
        update: (state, number) => ({total: (state?.total ?? 0n) + number}),
        merge: (state, other) => ({total: state.total + other.total}),
        evaluate: (state) => state?.total ?? null,
      }),
  intruder: (db, source) =>
      db.registerScalar("intruder", {arguments: ["BIGINT"], returns: "BIGINT"}, (a) => {
        try {
          source.tryPush({a});
        } catch (error) {
          return error.code;
        }
        return 0;
      }),
};

const calls = {
  async open(step) {
    this.db = await open(step);
  },
  start() {
    return this.db.start();
  },
  close() {
    return this.db.close();
  },
  async execute(step) {
    const result = await this.db.execute(step.sql);
    check((step.kind ?? result.resultType) === result.resultType, "its kind is", result.resultType);
    check((step.object ?? result.object) === result.object, "its object is", result.object);
    return result.rowsAffected;
  },
  async query(step) {
    const query = this.db.query(step.sql);
    const {names} = await query.schema();
    const batches = await query.batches();
    check(step.columns === undefined || equal(step.columns, names), "the columns are", names);
    if (step.save !== undefined)
      this.saved.set(step.save, String(Object.values(batches[0].toArray()[0])[0]));
    else
      compare(step, batches);
  },
  async cancelled_query(step) {
    const query = this.db.query(step.sql);
    await query.schema();
    query.cancel();
    await query.next();
  },
  async explain(step) {
    const plan = await this.db.explain(step.sql);
    for (const part of step.says) check(plan.includes(part), "the plan is", plan);
  },
  insert(step) {
    return this.db.insert(step.into, native(step.rows));
  },
  insert_json(step) {
    return this.db.insertJson(step.into, step.text, step.options);
  },
  insert_csv(step) {
    return this.db.insertCsv(step.into, step.text, step.options);
  },
  async copy(step) {
    return this.db.insertArrow(step.into, await this.db.query(step.sql).toIPC());
  },
  async source(step) {
    this.handles.set(step.as, await this.db.source(step.of));
  },
  async writer(step) {
    this.handles.set(step.as, await this.db.writer(step.of));
  },
  async clone(step, source) {
    this.handles.set(step.as, await source.clone());
  },
  push(step, source) {
    return source.push(native(step.rows));
  },
  write(step, writer) {
    return writer.insert(native(step.rows));
  },
  flush(_step, writer) {
    return writer.flush();
  },
  watermark(step, producer) {
    return producer.watermark(step.ts_ms);
  },
  end_of_input(_step, producer) {
    return producer.endOfInput();
  },
  release(_step, producer) {
    return producer.close();
  },
  pending(_step, source) {
    return source.pending();
  },
  capacity(_step, source) {
    return source.capacity();
  },
  async subscribe(step) {
    const {predicate, ...options} = step.options ?? {};
    const where = predicate === undefined ? {} : {where: predicate};
    this.handles.set(
        step.as, await this.db.subscribe(step.to, {...camelKeys(options), ...where}).ready());
  },
  try_push(step, source) {
    return source.tryPush(native(step.rows)) ? step.rows.length : 0;
  },
  async push_copy(step, source) {
    return source.pushArrow(await this.db.query(step.sql).toIPC());
  },
  checkpoint() {
    return this.db.checkpoint();
  },
  async metrics(step) {
    const metrics = await this.db.metrics();
    const {totalRowsIngested, totalRowsEmitted} = metrics;
    check(totalRowsIngested === step.ingested && totalRowsEmitted === step.emitted, metrics);
  },
  async list(step) {
    const names = (await this.db[step.of]()).map(({name}) => name);
    check(equal(step.names, names), "the names are", names);
  },
  async schema(step) {
    const {names} = await this.db.schema(step.of);
    check(equal(step.columns, names), "the columns are", names);
  },
  listen(step) {
    const heard = {batches: [], errors: [], isDone: false};
    const handle = this.db.subscribeCallback(
        step.to, (batch) => heard.batches.push(batch), (error) => heard.errors.push(error),
        camelKeys(step.options));
    handle.done.then(() => (heard.isDone = true));
    this.handles.set(step.as, {...handle, heard, cancel: () => handle.cancel()});
  },
  async heard(step, {heard}) {
    for (const event of step.answers) {
      if (event.end) await until(() => heard.isDone);
      else compare(event, [await until(() => heard.batches.shift())]);
    }
    check(heard.batches.length === 0, "it heard more");
    check(heard.errors.length === 0, "it heard", String(heard.errors[0]));
  },
  async listen_ipc(step) {
    this.handles.set(step.as, await this.db.subscribeArrow(step.to).ready());
  },
  async forward(step, changes) {
    const change = changes.poll();
    check(change !== null, "nothing has come");
    return this.db.insertArrow(step.into, change.ipc);
  },
  listen_log(step) {
    this.lines = [];
    return this.db.onLog((line) => this.lines.push(line), step.level);
  },
  logged(step) {
    return until(() => this.lines.some(({level, message}) => level === step.level &&
        step.says.every((part) => message.includes(part))));
  },
  register(step, handle) {
    return functions[step.function](this.db, handle);
  },
  cancel(_step, subscription) {
    subscription.cancel();
  },
  async poll(step, subscription) {
    const wanted = step.answers.slice();
    let { timeout_ms } = step;
    for (;;) {
      let change;
      try {
        const wait = timeout_ms !== undefined;
        change = wait ? await subscription.next(timeout_ms) : subscription.poll();
        timeout_ms = undefined;
      } catch (error) {
        if (!(error instanceof LaminarError) || error.code !== codes.SUBSCRIPTION_LAGGED)
          throw error;
        check(wanted.shift()?.lagged === subscription.lagged, "it lagged by", subscription.lagged);
        continue;
      }
      if (change === null) break;
      const event = wanted.shift();
      check(event?.rows !== undefined, "rows came:", change.toArray());
      check((event.reset ?? false) === change.isReset, "reset:", change.isReset);
      compare(event, [change]);
      if (step.save !== undefined) this.saved.set(step.save, String(change.epoch));
    }
    if (!subscription.isActive) check(wanted.shift()?.end === true, "it is at its end");
    check(wanted.length === 0, "it did not answer", wanted[0]);
  },
};

function open(step) {
  const {path, ...config} = step.config ?? {};
  return LaminarDB.open(path, camelKeys(config));
}

async function run(session, text) {
  for (const [name, value] of session.saved) {
    text = text.replaceAll(`"{{${name}}}"`, value).replaceAll(`{{${name}}}`, value);
  }
  const step = JSON.parse(text);
  const {error: wanted} = step;
  let counted;
  try {
    check(step.call in calls, "there is no call", step.call);
    counted = await calls[step.call].call(session, step, session.handles.get(step.by));
  } catch (error) {
    if (wanted === undefined || !(error instanceof LaminarError)) throw error;
    const {code, ldbCode, line, column, message} = error;
    check(code === wanted.code && ldbCode === wanted.ldb, code, message);
    check(
        wanted.line === undefined || (line === wanted.line && column === wanted.column), "at", line,
        column, message);
    for (const part of wanted.says ?? []) check(message.includes(part), part, "is not in", message);
    return;
  }
  check(wanted === undefined, "it did not fail");
  if (step.count !== undefined) check(equal(step.count, counted), "the count is", counted);
}

let passed = 0;
const files = process.argv.slice(2);
for (const file of files) {
  let at = 0;
  try {
    const scenario = JSON.parse(readFileSync(file, "utf8"));
    const session = {db: await open(scenario), handles: new Map(), saved: new Map()};
    if (scenario.started ?? true) await session.db.start();
    for (const step of scenario.steps) {
      at += 1;
      await run(session, JSON.stringify(step));
    }
    await session.db.close();
    passed += 1;
  } catch (error) {
    console.log(`FAILED ${file}, step ${at}: ${error}`);
  }
}
console.log(`${passed} passed, ${files.length - passed} failed`);
process.exitCode = passed === files.length ? 0 : 1;
