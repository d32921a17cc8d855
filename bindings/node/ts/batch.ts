/** Rows that came out of the database. */

import { Column, decode } from "./column.js";
import { native, type BatchHandle, type RawChange } from "./native.js";
import type { Schema } from "./schema.js";
import { formBits, type Form, type Row } from "./values.js";

/** Some rows of a result. They never change; iterating gives them as objects. */
export class Batch<T = Row> implements Iterable<T> {
  /** The columns. */
  readonly schema: Schema;
  /** How many rows there are. */
  readonly numRows: number;
  /** @internal */
  readonly handle: BatchHandle;
  readonly #form: Form;

  /** @internal */
  constructor(schema: Schema, handle: BatchHandle, form: Form) {
    this.schema = schema;
    this.handle = handle;
    this.numRows = native.rows(handle);
    this.#form = form;
  }

  /** How many columns there are. */
  get numColumns(): number {
    return this.schema.fields.length;
  }

  /** A column by its name or its place. */
  column<K extends keyof T & string>(name: K): Column<NonNullable<T[K]>>;
  column(nameOrIndex: string | number): Column;
  column(nameOrIndex: string | number): Column {
    const index =
      typeof nameOrIndex === "number" ? nameOrIndex : this.schema.indexOf(nameOrIndex);
    const field = this.schema.crossing[index];
    if (field === undefined) {
      const columns = this.schema.names.join(", ");
      throw new RangeError(`there is no column ${nameOrIndex}; the columns are ${columns}`);
    }
    const raw = native.column(this.handle, index, formBits(this.#form));
    return new Column(field, raw, this.numRows, this.#form);
  }

  /** The columns by name, each an array of its values. */
  toColumns(): { [K in keyof T]: T[K][] } {
    const columns = {};
    this.#decoded().forEach((values, index) => {
      setOwn(columns, this.schema.fields[index]?.name as string, values);
    });
    return columns as { [K in keyof T]: T[K][] };
  }

  /** The rows as objects. */
  toArray(): T[] {
    const columns = this.#decoded();
    const names = this.schema.names;
    const set = names.includes("__proto__") ? setOwn : setPlain;
    const rows = new Array<Row>(this.numRows);
    for (let row = 0; row < rows.length; row++) {
      const object: Row = {};
      for (let column = 0; column < names.length; column++) {
        set(object, names[column] as string, (columns[column] as unknown[])[row]);
      }
      rows[row] = object;
    }
    return rows as T[];
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.toArray()[Symbol.iterator]();
  }

  #decoded(): unknown[][] {
    const bits = formBits(this.#form);
    return this.schema.crossing.map((field, index) =>
      decode(field, native.column(this.handle, index, bits), this.numRows, this.#form),
    );
  }
}

function setPlain(object: Row, name: string, value: unknown): void {
  object[name] = value as Row[string];
}

function setOwn(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

/** What happened to a row. */
export interface Change<T = Row> {
  /** Whether it came to be or ceased to be. */
  readonly op: "insert" | "delete";
  /** The row. */
  readonly row: T;
}

/** The rows that one epoch changed in what a subscription follows. */
export class ChangeBatch<T = Row> extends Batch<T> {
  /** The epoch. */
  readonly epoch: number;
  /** For each row 1 if it came and -1 if it went; null where rows only come. */
  readonly weights: Int8Array | null;
  /** Whether changes were missed and these rows are the whole content from which to go on. */
  readonly isReset: boolean;

  /** @internal */
  constructor(schema: Schema, change: RawChange<BatchHandle>, isReset: boolean, form: Form) {
    super(schema, change.rows, form);
    this.epoch = change.epoch;
    this.weights = change.weights ?? null;
    this.isReset = isReset;
  }

  /** The rows, each with what happened to it. */
  changes(): Change<T>[] {
    const { weights } = this;
    return this.toArray().map((row, index) => ({
      op: weights !== null && (weights[index] as number) < 0 ? "delete" : "insert",
      row,
    }));
  }
}

/** The rows that one epoch changed, as an Arrow IPC stream. */
export interface ArrowChange {
  /** A stream of one batch: `tableFromIPC(change.ipc)` of apache-arrow reads it. */
  readonly ipc: Uint8Array;
  /** The epoch. */
  readonly epoch: number;
  /** For each row 1 if it came and -1 if it went; null where rows only come. */
  readonly weights: Int8Array | null;
  /** Whether changes were missed and these rows are the whole content from which to go on. */
  readonly isReset: boolean;
}
