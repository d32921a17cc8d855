/**
 * Laminar, an embedded streaming SQL database: continuous queries inside your process.
 *
 * @packageDocumentation
 */

export { Batch, ChangeBatch, type ArrowChange, type Change } from "./batch.js";
export type {
  Metrics,
  QueryInfo,
  SinkInfo,
  SourceInfo,
  StreamInfo,
  SubscriptionInfo,
  TableInfo,
  Topology,
} from "./catalog.js";
export * as codes from "./codes.js";
export { Column } from "./column.js";
export type { LaminarConfig } from "./config.js";
export {
  LaminarDB,
  type CsvOptions,
  type LogLevel,
  type LogLine,
  type QueryOptions,
  type TextOptions,
} from "./database.js";
export {
  CheckpointError,
  ConnectionError,
  ConnectorError,
  IngestionError,
  InternalError,
  LaminarError,
  QueryError,
  SchemaError,
  StreamError,
  SubscriptionError,
} from "./errors.js";
export { ExecuteResult } from "./execute.js";
export type {
  AggregateFunction,
  AggregateOptions,
  ScalarFunction,
  ScalarOptions,
  Signature,
  StrictOptions,
  VectorizedFunction,
} from "./functions.js";
export { Query } from "./query.js";
export type { Input, InputColumns, InputRow, InputValue } from "./rows_in.js";
export { Schema, type Field } from "./schema.js";
export { Source, type EventTime } from "./source.js";
export { CallbackSubscription, Subscription, type SubscribeOptions } from "./subscription.js";
export type { Interval, Row, Value, ValueOptions } from "./values.js";
export { Writer } from "./writer.js";

import { native } from "./native.js";

const versions = native.versions();

/** The version of this package. */
export const version = versions.addon;
/** The version of the library that is loaded. */
export const libraryVersion = versions.library;
