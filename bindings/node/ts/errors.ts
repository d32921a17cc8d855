/** The errors, one class for each band of codes. */

/** What the database answered. The base of all errors of this package. */
export class LaminarError extends Error {
  /** The number of the error: one of `codes`. */
  readonly code: number;
  /** The finer code that stands before the message: `"LDB-2001"`. */
  readonly ldbCode: string;
  /** The line in the SQL text, from 1, when the error has a place there. */
  readonly line: number | undefined;
  /** The column in that line, from 1. */
  readonly column: number | undefined;

  constructor(message: string, code = 900, ldbCode = "", line?: number, column?: number) {
    super(message);
    this.code = code;
    this.ldbCode = ldbCode;
    this.line = line;
    this.column = column;
  }

  override get name(): string {
    return this.constructor.name;
  }
}

/** The database could not be opened, was closed, or is in use. */
export class ConnectionError extends LaminarError {}
/** A name is missing or taken, or a schema cannot be used. */
export class SchemaError extends LaminarError {}
/** Rows were refused; nothing of them landed. */
export class IngestionError extends LaminarError {}
/** A query could not be read, planned or run. */
export class QueryError extends LaminarError {}
/** A subscription could not be made or read, or has missed changes. */
export class SubscriptionError extends LaminarError {}
/** A stream failed. */
export class StreamError extends LaminarError {}
/** A checkpoint could not be taken, or recovery failed. */
export class CheckpointError extends LaminarError {}
/** A connector failed. */
export class ConnectorError extends LaminarError {}
/** A defect of the library, or it is shutting down. */
export class InternalError extends LaminarError {}

/** By the first digit of the code. */
const BANDS = [
  LaminarError,
  ConnectionError,
  SchemaError,
  IngestionError,
  QueryError,
  SubscriptionError,
  StreamError,
  CheckpointError,
  ConnectorError,
  InternalError,
];

/** The error for what the library answered, by the band of its code. */
export function makeError(
  message: string,
  code: number,
  ldbCode: string,
  line?: number,
  column?: number,
): LaminarError {
  const Band = BANDS[Math.floor(code / 100)] ?? LaminarError;
  const error = new Band(message, code, ldbCode, line, column);
  Error.captureStackTrace(error, makeError);
  return error;
}

/** Whether an error has this code. */
export function hasCode(error: unknown, code: number): boolean {
  return error instanceof LaminarError && error.code === code;
}

/** The error of every call after `close()`. */
export function closedError(): LaminarError {
  return makeError("LDB-1101: the database is closed; open it again", 101, "LDB-1101");
}
