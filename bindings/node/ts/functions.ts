/** Functions of SQL that are written in JavaScript. */

import { Batch } from "./batch.js";
import { decode } from "./column.js";
import { makeError } from "./errors.js";
import { native, type BatchHandle, type HostFunction, type Plain } from "./native.js";
import { isList, packCells, type Cells, type InputValue } from "./rows_in.js";
import type { Schema } from "./schema.js";
import { formBits, type Form, type Row, type Value, type ValueOptions } from "./values.js";

/** The types of a function, as SQL writes them: `"DOUBLE"`, `"TIMESTAMP(3)"`, `"VARCHAR[]"`. */
export interface Signature extends ValueOptions {
  /** Those of its arguments; an empty array for a scalar function that has none. */
  readonly arguments: readonly string[];
  /** That of its result. */
  readonly returns: string;
}

/** What the results of a scalar function depend on. */
export interface ScalarOptions {
  /**
   * `"immutable"` (default): on the arguments alone; `"stable"`: on them within one statement;
   * `"volatile"`: on more, which is refused over rows that can change.
   */
  readonly volatility?: "immutable" | "stable" | "volatile";
}

/** Whether a function hears of NULL. */
export interface StrictOptions {
  /**
   * Not to be called for rows in which an argument is NULL: the result of a scalar function is NULL
   * there, and an aggregate function leaves them out.
   */
  readonly strict?: boolean;
}

/** What holds for an aggregate function. */
export interface AggregateOptions extends StrictOptions {
  /** The columns of its state and their types: `{ low: "DOUBLE", high: "DOUBLE" }`. */
  readonly state: { readonly [column: string]: string };
  /**
   * Whether its result depends on nothing but which rows there are, so that it may stand over rows
   * that change; it is computed anew then for a group of which a row ceased.
   */
  readonly retractable?: boolean;
}

/** A function of the values of a row, null where one is NULL. What it throws refuses the row. */
export type ScalarFunction = (...values: never[]) => InputValue;

/**
 * A function of columns: it gets rows of arguments, as the columns `argument_1`, `argument_2`, ...,
 * and answers as many results. What it throws refuses the rows, which are then tried one by one.
 */
export type VectorizedFunction = (rows: Batch) => readonly InputValue[] | Plain;

/**
 * An aggregate function. What is known of a group's rows is an object with the columns of the state;
 * null stands for no rows, and so does one whose values are all null.
 */
export interface AggregateFunction<S = Row> {
  /** What is known with one more row. What it throws refuses the row. */
  update(state: S | null, ...values: never[]): S | null;
  /** What is known with some more rows; one after the other, unless this is there. */
  updateAll?(state: S | null, rows: Batch): S | null;
  /** What is known of the rows of both. */
  merge(state: S, other: S): S | null;
  /** The result. */
  evaluate(state: S | null): InputValue;
}

/** What a function is asked for, as `src/functions.rs` numbers it. */
const UPDATE = 1;
const MERGE = 2;

/** A query without rows whose columns have these types. */
export function columnsQuery(columns: readonly (readonly [name: string, type: string])[]): string {
  const column = ([name, type]: readonly [string, string]): string =>
    `CAST(NULL AS ${type}) AS "${name.replaceAll('"', '""')}"`;
  return `SELECT ${columns.map(column).join(", ")} LIMIT 0`;
}

/** The columns of arguments of these types. */
export function argumentColumns(types: readonly string[]): [name: string, type: string][] {
  return types.map((type, index) => [`argument_${index + 1}`, type]);
}

/** A function of rows as one of columns. */
export function byRow(call: ScalarFunction, form: Form, strict: boolean): VectorizedFunction {
  return (rows) => [...tuples(rows, form)].map((values) =>
    strict && values.includes(null) ? null : call(...(values as never[])));
}

/** The rows of arguments. */
function* tuples(rows: Batch, form: Form): Generator<unknown[]> {
  const columns = cells(rows.schema, rows.handle, rows.numRows, form);
  for (let row = 0; row < rows.numRows; row++) yield columns.map((column) => column[row]);
}

function cells(schema: Schema, handle: BatchHandle, rows: number, form: Form): unknown[][] {
  return schema.crossing.map((field, index) =>
    decode(field, native.column(handle, index, formBits(form)), rows, form),
  );
}

/** A scalar function over the columns of its arguments. */
export class HostScalar implements HostFunction {
  constructor(
    readonly args: Schema,
    readonly result: Schema,
    readonly form: Form,
    readonly function_: VectorizedFunction,
  ) {}

  call(_what: number, _state?: BatchHandle, input?: BatchHandle): BatchHandle {
    const rows = new Batch(this.args, input as BatchHandle, this.form);
    const results = this.function_(rows);
    if (!isList(results)) {
      refusePromise(results);
      throw new TypeError("the function answered no array of results");
    }
    if (results.length !== rows.numRows) {
      throw new Error(`the function gave ${results.length} results for ${rows.numRows} rows`);
    }
    return packed(this.result, rows.numRows, [results]);
  }
}

/** An aggregate function with its state in columns. */
export class HostAggregate implements HostFunction {
  readonly #names: readonly string[];

  constructor(
    readonly args: Schema,
    readonly state: Schema,
    readonly result: Schema,
    readonly form: Form,
    readonly function_: AggregateFunction,
    readonly strict: boolean,
  ) {
    this.#names = state.names;
  }

  call(what: number, state?: BatchHandle, input?: BatchHandle): BatchHandle {
    const known = this.#read(state);
    switch (what) {
      case UPDATE:
        return this.#write(this.#update(known, input as BatchHandle));
      case MERGE:
        return this.#write(this.#merge(known, this.#read(input)));
      default:
        return packed(this.result, 1, [[this.function_.evaluate(known)]]);
    }
  }

  #update(state: Row | null, input: BatchHandle): Row | null {
    const rows = new Batch(this.args, input, this.form);
    if (this.function_.updateAll !== undefined) return this.function_.updateAll(state, rows);
    let known = state;
    for (const values of tuples(rows, this.form)) {
      if (this.strict && values.includes(null)) continue;
      known = this.function_.update(known, ...(values as never[]));
    }
    return known;
  }

  #merge(state: Row | null, other: Row | null): Row | null {
    return state === null || other === null ? state ?? other : this.function_.merge(state, other);
  }

  #read(handle: BatchHandle | undefined): Row | null {
    if (handle === undefined) return null;
    const columns = cells(this.state, handle, 1, this.form);
    if (columns.every(([value]) => value === null)) return null;
    return Object.fromEntries(
      columns.map(([value], index) => [this.#names[index] as string, value as Value]),
    );
  }

  #write(state: Row | null): BatchHandle {
    if (state !== null && (typeof state !== "object" || Array.isArray(state))) {
      throw new TypeError(`a state is an object of columns or null, not ${String(state)}`);
    }
    if (state !== null) refusePromise(state);
    for (const name of Object.keys(state ?? {})) {
      if (this.state.indexOf(name) < 0) {
        const names = this.#names.join(", ");
        throw new TypeError(`there is no column ${name} in the state; its columns are ${names}`);
      }
    }
    return packed(this.state, 1, this.#names.map((name) => [state?.[name]]));
  }
}

/** Rows in the columns of a schema. */
function packed(schema: Schema, rows: number, columns: readonly Cells[]): BatchHandle {
  for (const column of columns) {
    if (Array.isArray(column)) for (const value of column) refusePromise(value);
  }
  return packCells(schema, rows, columns);
}

/** The engine waits for the answer, and so no promise can be one. */
function refusePromise(value: unknown): void {
  if (typeof (value as PromiseLike<unknown> | null | undefined)?.then !== "function") return;
  // What becomes of it is nobody's concern any more.
  void Promise.resolve(value).catch(() => {});
  throw new TypeError("the function answered a promise; functions of SQL answer at once");
}

/** Refuses what is no function. */
export function checkFunction(given: unknown, what: string): void {
  if (typeof given === "function") return;
  throw makeError(`LDB-4001: ${what} is no function`, 400, "LDB-4001");
}
