/** The database. */

import {
  systemTable, topologyOf,
  type Metrics, type QueryInfo, type SinkInfo, type SourceInfo, type StreamInfo,
  type SubscriptionInfo, type TableInfo, type Topology,
} from "./catalog.js";
import { ChangeBatch, type ArrowChange } from "./batch.js";
import { settingsOf, type LaminarConfig } from "./config.js";
import { closedError } from "./errors.js";
import { ExecuteResult } from "./execute.js";
import {
  HostAggregate, HostScalar, argumentColumns, byRow, checkFunction, columnsQuery,
  type AggregateFunction, type AggregateOptions, type ScalarFunction, type ScalarOptions, type Signature,
  type StrictOptions, type VectorizedFunction,
} from "./functions.js";
import { functions, logs, native, nextId, type DatabaseHandle, type HostFunction } from "./native.js";
import { Serial } from "./order.js";
import { Query } from "./query.js";
import { ipcBytes, pack, type Input } from "./rows_in.js";
import { Schema } from "./schema.js";
import { Producer, Source, type Owner } from "./source.js";
import {
  CallbackSubscription, Subscription, callBack, optionsJson, type Followed, type Poll, type SubscribeOptions,
} from "./subscription.js";
import { formOf, type Form, type Row, type ValueOptions } from "./values.js";
import { Writer } from "./writer.js";

/** How to run a query. */
export interface QueryOptions extends ValueOptions {
  /** Cancels the query when it is aborted. */
  readonly signal?: AbortSignal;
}

/** How important a line of the log is, the most important first. */
export type LogLevel = "error" | "warn" | "info" | "debug";

/** A line of the log. */
export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
}

const LOG_LEVELS: readonly LogLevel[] = ["error", "warn", "info", "debug"];

function levelOf(number: number): LogLevel {
  return LOG_LEVELS[number - 1] ?? "debug";
}

/** How rows are written as text. */
export interface TextOptions {
  /** The unit of times that are integers (`"ms"`). */
  readonly epoch?: "s" | "ms" | "us" | "ns";
}

/** How rows are written as CSV. */
export interface CsvOptions extends TextOptions {
  /** Whether the first line names the columns, in any order (true); they are the source's otherwise. */
  readonly header?: boolean;
  /** What stands between values (`","`). */
  readonly delimiter?: string;
  /** What stands around values (`"\""`). */
  readonly quote?: string;
  /** The text that is null (`""`). */
  readonly null?: string;
}

/**
 * A database inside this process. Nothing that it does blocks the event loop: calls run on libuv's
 * pool of threads, and what waits for rows waits for a wake-up. After `close()` every call fails with
 * a `ConnectionError`; a database that is collected closes itself.
 */
export class LaminarDB implements AsyncDisposable, Disposable {
  readonly #handle: DatabaseHandle;
  readonly #form: Form;
  /** What is shared with what comes from this; it leads back here, so that this lives as long. */
  readonly #owner: Owner & Followed;
  readonly #inserts = new Map<string, Serial>();
  /** The columns of sources into which rows were inserted, until the next definition. */
  readonly #columns = new Map<string, Schema>();
  #making = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;
  /** Who hears the log, kept here so that it lives as long as this. */
  #log: { log(level: number, message: string): void } | undefined;
  #logId = 0;
  /** The functions of SQL, kept here so that they live as long as this. */
  readonly #functions = new Map<number, HostFunction>();

  private constructor(handle: DatabaseHandle, form: Form, pushTimeoutMs: number) {
    this.#handle = handle;
    this.#form = form;
    const isClosed = (): boolean => this.isClosed;
    const subscribed = (): Promise<unknown> | undefined => this.#subscribed;
    this.#owner = {
      pushTimeoutMs,
      referenced: new Set(),
      get isClosed() {
        return isClosed();
      },
      get subscribed() {
        return subscribed();
      },
    };
  }

  /**
   * Opens a database: `":memory:"`, which is the default, keeps everything in memory. Any other path
   * is a directory for a durable database, which this version answers with code UNSUPPORTED.
   */
  static async open(path = ":memory:", config: LaminarConfig = {}): Promise<LaminarDB> {
    const form = formOf(config);
    const { json, pushTimeoutMs } = settingsOf(path, config);
    return new LaminarDB(await native.open(json), form, pushTimeoutMs);
  }

  /** Whether `close()` was called. */
  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /** Lets the streams run: what was inserted before is processed now. */
  async start(): Promise<void> {
    await this.#ready();
    await native.start(this.#handle);
  }

  /** Runs one SQL statement of any kind. */
  async execute<T = Row>(sql: string, options: ValueOptions = {}): Promise<ExecuteResult<T>> {
    const form = formOf(options, this.#form);
    await this.#ready();
    const result = new ExecuteResult<T>(await native.execute(this.#handle, sql), form);
    if (result.resultType !== "query") this.#columns.clear();
    return result;
  }

  /** A query, which begins when it is read: `await db.query(sql).toArray()`. */
  query<T = Row>(sql: string, options: QueryOptions = {}): Query<T> {
    const open = async (): ReturnType<typeof native.query> => {
      await this.#ready();
      return native.query(this.#handle, sql);
    };
    return new Query<T>(open, formOf(options, this.#form), options.signal);
  }

  /** The plan of a statement, or of a stream by its name, for people to read. */
  async explain(sql: string): Promise<string> {
    await this.#ready();
    return native.explain(this.#handle, sql);
  }

  /**
   * Puts one row (an object), rows (an iterable of objects), columns (an object of arrays and typed
   * arrays of one length) or a batch of a result into a source, and answers how many rows. All of it
   * lands as one epoch, or, when something does not fit, nothing: an `IngestionError` names the
   * column. Inserts into one source take effect in their order. Do not change the data before the
   * promise is settled.
   */
  insert(source: string, data: Input): Promise<number> {
    return this.#insert(source, async () => {
      const schema = this.#columns.get(source) ?? (await this.#columnsOf(source));
      const { handle } = pack(schema, data);
      return () => native.insert(this.#handle, source, [handle]);
    });
  }

  /**
   * Puts the rows of an Arrow IPC stream or file into a source, its columns found by name:
   * `tableToIPC(table)` of apache-arrow makes one. As `insert` in all else.
   */
  insertArrow(source: string, data: Uint8Array | ArrayBuffer): Promise<number> {
    return this.#insert(source, async () => {
      const bytes = ipcBytes(data);
      return () => native.insertEncoded(this.#handle, source, "ipc", bytes);
    });
  }

  /** Puts rows written as JSON into a source: an object, an array of them, or one after another. */
  insertJson(source: string, text: string, options: TextOptions = {}): Promise<number> {
    const json = JSON.stringify(options);
    return this.#insert(source, async () => {
      return () => native.insertEncoded(this.#handle, source, "json", text, json);
    });
  }

  /** Puts rows written as CSV into a source. */
  insertCsv(source: string, text: string, options: CsvOptions = {}): Promise<number> {
    const json = JSON.stringify(options);
    return this.#insert(source, async () => {
      return () => native.insertEncoded(this.#handle, source, "csv", text, json);
    });
  }

  /** A writer that gathers rows for a source; close it, or declare it with `await using`. */
  async writer(source: string): Promise<Writer> {
    return new Writer(await this.#producer(source));
  }

  /** A producer of a source. */
  async source(name: string): Promise<Source> {
    return new Source(await this.#producer(name));
  }

  /**
   * Follows a stream, view, sink or source by its name (every change from now on), or a query (its
   * rows now, then every change of them).
   */
  subscribe<T = Row>(
    nameOrQuery: string,
    options: SubscribeOptions = {},
  ): Subscription<ChangeBatch<T>> {
    const form = formOf(options, this.#form);
    return this.#subscribe(nameOrQuery, options, (handle, schema, isReset) => {
      const polled = native.poll(handle);
      if (typeof polled === "number") return polled;
      return new ChangeBatch<T>(schema, polled, isReset, form);
    });
  }

  /** Follows as `subscribe` does, with each batch as an Arrow IPC stream. */
  subscribeArrow(
    nameOrQuery: string,
    options: SubscribeOptions = {},
  ): Subscription<ArrowChange> {
    return this.#subscribe(nameOrQuery, options, (handle, _schema, isReset) => {
      const polled = native.pollIpc(handle);
      if (typeof polled === "number") return polled;
      const { rows: ipc, epoch, weights = null } = polled;
      return { ipc, epoch, weights, isReset };
    });
  }

  /**
   * Follows as `subscribe` does and calls `onData` with each batch; one that answers a promise is
   * waited for. `onError` gets what goes wrong, also in `onData`; without it that is an uncaught
   * exception.
   */
  subscribeCallback<T = Row>(
    nameOrQuery: string,
    onData: (batch: ChangeBatch<T>) => unknown,
    onError?: (error: unknown) => unknown,
    options: SubscribeOptions = {},
  ): CallbackSubscription {
    return callBack(this.subscribe<T>(nameOrQuery, options), onData, onError);
  }

  /** The columns of a source, table, stream, view or sink. */
  schema(name: string): Promise<Schema> {
    return this.query(`SELECT * FROM "${name.replaceAll('"', '""')}" LIMIT 0`).schema();
  }

  /** The sources. */
  sources(): Promise<SourceInfo[]> {
    return systemTable(this, "laminar_sources");
  }

  /** The tables. */
  tables(): Promise<TableInfo[]> {
    return systemTable(this, "laminar_tables");
  }

  /** The streams. */
  streams(): Promise<StreamInfo[]> {
    return systemTable(this, "laminar_streams");
  }

  /** The materialized views. */
  views(): Promise<StreamInfo[]> {
    return systemTable(this, "laminar_views");
  }

  /** The sinks. */
  sinks(): Promise<SinkInfo[]> {
    return systemTable(this, "laminar_sinks");
  }

  /** The ad-hoc queries that are open, and the subscriptions to queries. */
  queries(): Promise<QueryInfo[]> {
    return systemTable(this, "laminar_queries");
  }

  /** The subscriptions that are open. */
  subscriptions(): Promise<SubscriptionInfo[]> {
    return systemTable(this, "laminar_subscriptions");
  }

  /** How the database is doing. */
  async metrics(): Promise<Metrics> {
    return (await systemTable<Metrics>(this, "laminar_metrics"))[0] as Metrics;
  }

  /** What reads what. */
  topology(): Promise<Topology> {
    return topologyOf(this);
  }

  /** Cancels a query or a subscription by its number; answers whether there was one. */
  cancelQuery(id: number): boolean {
    if (this.isClosed) throw closedError();
    return native.cancelQuery(this.#handle, id);
  }

  /** The names of the sources. */
  async listSources(): Promise<string[]> {
    return (await this.sources()).map(({ name }) => name);
  }

  /** The names of the tables. */
  async listTables(): Promise<string[]> {
    return (await this.tables()).map(({ name }) => name);
  }

  /** The names of the streams. */
  async listStreams(): Promise<string[]> {
    return (await this.streams()).map(({ name }) => name);
  }

  /** The names of the materialized views. */
  async listViews(): Promise<string[]> {
    return (await this.views()).map(({ name }) => name);
  }

  /** The names of the sinks. */
  async listSinks(): Promise<string[]> {
    return (await this.sinks()).map(({ name }) => name);
  }

  /** Takes a checkpoint and answers its number; UNSUPPORTED for a database in memory. */
  async checkpoint(): Promise<number> {
    await this.#ready();
    return native.checkpoint(this.#handle);
  }

  /**
   * Tells a listener of the database's work, line by line, from a level on; it replaces an earlier
   * one, and null removes it. What it throws is an uncaught exception.
   */
  async onLog(listener: ((line: LogLine) => void) | null, level: LogLevel = "info"): Promise<void> {
    if (this.isClosed) throw closedError();
    if (!LOG_LEVELS.includes(level)) throw new TypeError(`${level} is no level of the log`);
    logs.delete(this.#logId);
    if (listener !== null) {
      this.#log = { log: (number, message) => listener({ level: levelOf(number), message }) };
      this.#logId = nextId();
      logs.set(this.#logId, new WeakRef(this.#log));
    }
    const id = listener === null ? undefined : this.#logId;
    await native.setLog(this.#handle, LOG_LEVELS.indexOf(level) + 1, id);
  }

  /**
   * Adds a scalar function to SQL: `(...values) => result`, called for each row. It runs on this
   * thread, for whichever thread of the library needs it and waits; so it answers at once, no
   * promise. What it throws refuses the row: in a stream that is left out and becomes a dead letter, an
   * ad-hoc query fails with its words. Calls that would wait for the engine fail in it with
   * CONNECTION_IN_USE; those that answer a promise begin after it.
   */
  async registerScalar(
    name: string,
    signature: Signature & ScalarOptions & StrictOptions,
    call: ScalarFunction,
  ): Promise<void> {
    checkFunction(call, "the scalar function");
    const form = formOf(signature, this.#form);
    await this.#registerScalar(name, signature, form, byRow(call, form, signature.strict ?? false));
  }

  /** As `registerScalar`, with a function that is called for many rows at once, column by column. */
  async registerVectorized(
    name: string,
    signature: Signature & ScalarOptions,
    call: VectorizedFunction,
  ): Promise<void> {
    checkFunction(call, "the scalar function");
    await this.#registerScalar(name, signature, formOf(signature, this.#form), call);
  }

  /**
   * Adds an aggregate function to SQL. What it knows of a group's rows is an object, which the
   * database keeps in the columns that `signature.state` declares. In all else as `registerScalar`.
   */
  async registerAggregate<S extends object = Row>(
    name: string,
    signature: Signature & AggregateOptions,
    aggregate: AggregateFunction<S>,
  ): Promise<void> {
    for (const part of ["update", "merge", "evaluate"] as const) {
      checkFunction(aggregate[part], `\`${part}\` of the aggregate function`);
    }
    const form = formOf(signature, this.#form);
    const [args, result, state] = await Promise.all([
      this.#types(argumentColumns(signature.arguments)),
      this.#types([["result", signature.returns]]),
      this.#types(Object.entries(signature.state)),
    ]);
    const call = aggregate as AggregateFunction<never> as unknown as AggregateFunction;
    const host = new HostAggregate(args, state, result, form, call, signature.strict ?? false);
    const options = JSON.stringify({ retractable: signature.retractable });
    const schemas = [args.handle, result.handle, state.handle] as const;
    await this.#register(host, (id) =>
      native.registerAggregate(this.#handle, name, schemas, options, id),
    );
  }

  /** Shuts the database down. Loops over subscriptions end. The second time it does nothing. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = native.close(this.#handle).finally(() => {
        for (const id of this.#functions.keys()) functions.delete(id);
        this.#functions.clear();
      });
      for (const subscription of this.#owner.referenced) subscription.unref();
      logs.delete(this.#logId);
    }
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Closes without waiting until the last call has left. */
  [Symbol.dispose](): void {
    void this.close();
  }

  async #registerScalar(
    name: string,
    signature: Signature & ScalarOptions,
    form: Form,
    call: VectorizedFunction,
  ): Promise<void> {
    const [args, result] = await Promise.all([
      this.#types(argumentColumns(signature.arguments)),
      this.#types([["result", signature.returns]]),
    ]);
    const host = new HostScalar(args, result, form, call);
    const options = JSON.stringify({ volatility: signature.volatility });
    const schemas = [args.handle, result.handle] as const;
    await this.#register(host, (id) =>
      native.registerScalar(this.#handle, name, schemas, options, id),
    );
  }

  async #register(host: HostFunction, register: (id: number) => Promise<void>): Promise<void> {
    const id = nextId();
    // Before the library knows it: another call may use it at once.
    this.#functions.set(id, host);
    functions.set(id, new WeakRef(host));
    try {
      await register(id);
    } catch (error) {
      this.#functions.delete(id);
      functions.delete(id);
      throw error;
    }
  }

  /** Columns of these types. */
  async #types(columns: [name: string, type: string][]): Promise<Schema> {
    if (columns.length === 0) return new Schema(native.noColumns());
    const query = this.query(columnsQuery(columns));
    try {
      return await query.schema();
    } finally {
      query.cancel();
    }
  }

  #subscribe<B extends { readonly epoch: number }>(
    nameOrQuery: string,
    options: SubscribeOptions,
    poll: Poll<B>,
  ): Subscription<B> {
    const make = (id: number): ReturnType<typeof native.subscribe> => {
      if (this.isClosed) return Promise.reject(closedError());
      return native.subscribe(this.#handle, nameOrQuery, optionsJson(options), id);
    };
    const made = new Subscription(this.#owner, nameOrQuery, make, poll, options.signal);
    const settled: Promise<void> = made.ready().then(
      () => void this.#making.delete(settled),
      () => void this.#making.delete(settled),
    );
    this.#making.add(settled);
    return made;
  }

  /** Undefined, or what settles when the subscriptions asked for so far are in place. */
  get #subscribed(): Promise<unknown> | undefined {
    return this.#making.size === 0 ? undefined : Promise.all(this.#making);
  }

  /** Lets the subscriptions that were asked for before go first. */
  async #ready(): Promise<void> {
    if (this.isClosed) throw closedError();
    if (this.#making.size > 0) await Promise.all(this.#making);
  }

  /** Makes an insert ready and makes it, behind those into the same source. */
  #insert(source: string, ready: () => Promise<() => Promise<number>>): Promise<number> {
    let inserts = this.#inserts.get(source);
    if (inserts === undefined) this.#inserts.set(source, (inserts = new Serial()));
    return inserts.run(async () => {
      await this.#ready();
      return (await ready())();
    });
  }

  async #columnsOf(source: string): Promise<Schema> {
    const schema = new Schema(await native.columns(this.#handle, source));
    this.#columns.set(source, schema);
    return schema;
  }

  async #producer(name: string): Promise<Producer> {
    await this.#ready();
    return new Producer(this.#owner, name, await native.openSource(this.#handle, name));
  }
}
