/**
 * The addon, as `src/lib.rs` exports it. Private to this package: handles are opaque, nothing is
 * checked that the classes above it see to, and each function says in its Rust what it does.
 */

import { makeError } from "./errors.js";

declare const handle: unique symbol;
/** Something native; its memory goes when it is collected. */
export type Handle<Of extends string> = { readonly [handle]: Of };

export type DatabaseHandle = Handle<"database">;
export type QueryHandle = Handle<"query">;
export type SourceHandle = Handle<"source">;
export type SubscriptionHandle = Handle<"subscription">;
export type SchemaHandle = Handle<"schema">;
export type BatchHandle = Handle<"batch">;

export interface With<H> {
  readonly handle: H;
  readonly schema: SchemaHandle;
}

/** How values of a column cross. */
export type Kind =
  | "bool" | "text" | "days" | "date" | "time" | "timestamp" | "duration" | "value"
  | "int8" | "uint8" | "int16" | "uint16" | "int32" | "uint32" | "int64" | "uint64"
  | "float32" | "float64";

export interface RawSource extends With<SourceHandle> {
  /** How long its pushes wait for room, where the source says so. */
  readonly pushTimeoutMs?: number;
}

export interface RawField {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
  readonly kind: Kind;
  readonly perSecond: number | undefined;
}

/** An array of numbers of one type. */
export type Plain =
  | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array
  | BigInt64Array | BigUint64Array | Float32Array | Float64Array;

/** A column on its way out; one of `plain`, `text` with `ends`, and `values` is there. */
export interface RawColumn {
  /** 0 where the value is NULL; absent when none is. */
  readonly valid: Uint8Array | undefined;
  readonly plain?: Plain;
  readonly text?: string;
  readonly ends?: Uint32Array;
  readonly values?: unknown[];
}

/** A column on its way in. */
export type PackColumn =
  | undefined
  | { readonly plain: Plain; readonly valid?: Uint8Array | undefined }
  | {
      readonly text: string;
      readonly lengths: Uint32Array;
      readonly valid?: Uint8Array | undefined;
    }
  | readonly unknown[];

export interface RawChange<Rows> {
  readonly rows: Rows;
  readonly epoch: number;
  readonly weights: Int8Array | undefined;
}

/** What `poll` answers without a batch. */
export const NOTHING = 0;
export const END = 1;
export const RESET = 2;

export interface RawExecuted {
  readonly statement?: string;
  readonly object?: string;
  readonly rowsAffected?: number;
  readonly schema?: SchemaHandle;
  readonly batches?: BatchHandle[];
}

interface Native {
  setUp(helpers: object): void;
  versions(): { addon: string; library: string };
  open(configJson: string): Promise<DatabaseHandle>;
  close(database: DatabaseHandle): Promise<void>;
  closeAll(): void;
  start(database: DatabaseHandle): Promise<void>;
  execute(database: DatabaseHandle, sql: string): Promise<RawExecuted>;
  checkpoint(database: DatabaseHandle): Promise<number>;
  setLog(database: DatabaseHandle, level: number, id?: number): Promise<void>;
  explain(database: DatabaseHandle, sql: string): Promise<string>;
  query(database: DatabaseHandle, sql: string): Promise<With<QueryHandle> & { id: number }>;
  queryNext(query: QueryHandle): Promise<BatchHandle | null>;
  queryIpc(query: QueryHandle): Promise<Uint8Array>;
  queryCancel(query: QueryHandle): void;
  cancelQuery(database: DatabaseHandle, id: number): boolean;
  registerScalar(
    database: DatabaseHandle,
    name: string,
    schemas: readonly [args: SchemaHandle, result: SchemaHandle],
    optionsJson: string,
    id: number,
  ): Promise<void>;
  registerAggregate(
    database: DatabaseHandle,
    name: string,
    schemas: readonly [args: SchemaHandle, result: SchemaHandle, state: SchemaHandle],
    optionsJson: string,
    id: number,
  ): Promise<void>;
  noColumns(): SchemaHandle;
  columns(database: DatabaseHandle, source: string): Promise<SchemaHandle>;
  insert(database: DatabaseHandle, source: string, packs: BatchHandle[]): Promise<number>;
  insertEncoded(
    database: DatabaseHandle,
    source: string,
    form: "ipc" | "json" | "csv",
    data: Uint8Array | string,
    optionsJson?: string,
  ): Promise<number>;
  openSource(database: DatabaseHandle, name: string): Promise<RawSource>;
  sourceClone(source: SourceHandle): Promise<RawSource>;
  sourcePush(source: SourceHandle, packs: BatchHandle[]): Promise<number>;
  sourcePushIpc(source: SourceHandle, data: Uint8Array): Promise<number>;
  sourceTryPush(source: SourceHandle, pack: BatchHandle): boolean;
  sourceTryPushRow(source: SourceHandle, cells: readonly unknown[]): boolean;
  sourceOnRoom(source: SourceHandle, id: number): Promise<void>;
  sourceWatermark(source: SourceHandle, tsMs: number): Promise<void>;
  sourceEnd(source: SourceHandle): Promise<void>;
  sourceQueue(source: SourceHandle): Promise<[pending: number, capacity: number]>;
  sourceClose(source: SourceHandle): Promise<void>;
  subscribe(
    database: DatabaseHandle,
    nameOrQuery: string,
    optionsJson: string,
    id: number,
  ): Promise<With<SubscriptionHandle>>;
  poll(subscription: SubscriptionHandle): RawChange<BatchHandle> | number;
  pollIpc(subscription: SubscriptionHandle): RawChange<Uint8Array> | number;
  cancel(subscription: SubscriptionHandle): void;
  lagged(subscription: SubscriptionHandle): number;
  hold(): void;
  release(): void;
  pack(schema: SchemaHandle, rows: number, columns: readonly PackColumn[]): BatchHandle;
  fields(schema: SchemaHandle): RawField[];
  rows(batch: BatchHandle): number;
  column(batch: BatchHandle, index: number, form: number): RawColumn;
}

/** What is woken when its number comes. */
export interface Wakeable {
  wake(): void;
}

/** Those that wait, by their number. Whoever does not wait is not kept alive by this. */
export const waiting = new Map<number, Wakeable>();

/** Those that hear a log, by their number; a database that nobody holds hears nothing. */
export const logs = new Map<number, WeakRef<{ log(level: number, message: string): void }>>();

/** The functions of SQL, by their number; a database that nobody holds has none. */
export const functions = new Map<number, WeakRef<HostFunction>>();

/** A function of SQL as the addon calls it, with what `src/functions.rs` asks for. */
export interface HostFunction {
  call(what: number, state?: BatchHandle, input?: BatchHandle): BatchHandle;
}

let lastId = 0;

/** A number for something that is to be woken. */
export function nextId(): number {
  lastId = (lastId + 1) >>> 0;
  return lastId;
}

export const native = require("../native/laminar.node") as Native;

native.setUp({
  makeError,
  wake: (id: number): void => waiting.get(id)?.wake(),
  log: (id: number, level: number, message: string): void => {
    logs.get(id)?.deref()?.log(level, message);
  },
  callFunction(id: number, what: number, state?: BatchHandle, input?: BatchHandle): BatchHandle {
    const host = functions.get(id)?.deref();
    if (host === undefined) throw new Error("the database of the function was given up");
    return host.call(what, state, input);
  },
  forgetFunction: (id: number): void => void functions.delete(id),
  makeMap: (pairs: [unknown, unknown][]): Map<unknown, unknown> => new Map(pairs),
  pairs: (map: object): [unknown, unknown][] =>
    map instanceof Map ? [...map] : Object.entries(map),
  text: (value: unknown): string => String(value),
});

// What still runs in the library must not outlive JavaScript: whoever waits in it is woken here.
process.once("exit", () => native.closeAll());
