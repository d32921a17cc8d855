// Written from include/laminar.h by `cargo run -p laminar-bindings-generate`.
/**
 * The numbers of errors: the `code` of every `LaminarError`.
 *
 * Bands: 1xx connection, 2xx schema, 3xx ingestion, 4xx query, 5xx subscription, 6xx stream,
 * 7xx checkpoint, 8xx connector, 9xx internal. A number is never given a new meaning.
 */

/** The database could not be opened. */
export const CONNECTION_FAILED = 100;

/** The database was closed. */
export const CONNECTION_CLOSED = 101;

/** The handle is in use by another thread. The library answers `LAMINAR_BUSY` instead. */
export const CONNECTION_IN_USE = 102;

/** No source, table, stream or sink has this name. */
export const TABLE_NOT_FOUND = 200;

/** The name is taken. */
export const TABLE_EXISTS = 201;

/** A schema differs from the one expected. */
export const SCHEMA_MISMATCH = 202;

/** A schema cannot be used, or an object that others read was to be dropped. */
export const INVALID_SCHEMA = 203;

/** Rows were refused. */
export const INGESTION_FAILED = 300;

/** The source handle was closed, or its source was dropped. */
export const WRITER_CLOSED = 301;

/** A batch does not fit the schema of its source. */
export const BATCH_SCHEMA_MISMATCH = 302;

/** There was no room in time. The library answers `LAMINAR_AGAIN` instead; bindings raise this. */
export const BACKPRESSURE = 303;

/** A query failed. */
export const QUERY_FAILED = 400;

/** The SQL text could not be read. */
export const SQL_PARSE_ERROR = 401;

/** The query was cancelled. */
export const QUERY_CANCELLED = 402;

/** A construct that this version does not have. */
export const UNSUPPORTED = 403;

/** A subscription could not be made or read. */
export const SUBSCRIPTION_FAILED = 500;

/** The subscription ended. The library answers `LAMINAR_END` instead; bindings raise this. */
export const SUBSCRIPTION_CLOSED = 501;

/** Nothing came in time. The library answers `LAMINAR_AGAIN` instead; bindings raise this. */
export const SUBSCRIPTION_TIMEOUT = 502;

/** Changes were missed. The library answers `LAMINAR_LAGGED` instead; bindings raise this. */
export const SUBSCRIPTION_LAGGED = 503;

/** A stream failed. */
export const STREAM_FAILED = 600;

/** A checkpoint failed. */
export const CHECKPOINT_FAILED = 700;

/** Recovery failed. */
export const RECOVERY_FAILED = 701;

/** A connector failed. */
export const CONNECTOR_FAILED = 800;

/** A defect of the library, for example a panic that was caught. */
export const INTERNAL_ERROR = 900;

/** The database is shutting down. */
export const SHUTDOWN = 901;

/** The name of each number. */
export const NAMES: { readonly [code: number]: string } = {
  100: "CONNECTION_FAILED",
  101: "CONNECTION_CLOSED",
  102: "CONNECTION_IN_USE",
  200: "TABLE_NOT_FOUND",
  201: "TABLE_EXISTS",
  202: "SCHEMA_MISMATCH",
  203: "INVALID_SCHEMA",
  300: "INGESTION_FAILED",
  301: "WRITER_CLOSED",
  302: "BATCH_SCHEMA_MISMATCH",
  303: "BACKPRESSURE",
  400: "QUERY_FAILED",
  401: "SQL_PARSE_ERROR",
  402: "QUERY_CANCELLED",
  403: "UNSUPPORTED",
  500: "SUBSCRIPTION_FAILED",
  501: "SUBSCRIPTION_CLOSED",
  502: "SUBSCRIPTION_TIMEOUT",
  503: "SUBSCRIPTION_LAGGED",
  600: "STREAM_FAILED",
  700: "CHECKPOINT_FAILED",
  701: "RECOVERY_FAILED",
  800: "CONNECTOR_FAILED",
  900: "INTERNAL_ERROR",
  901: "SHUTDOWN",
};
