/**
 * Rows and columns on their way in.
 *
 * What a column holds is looked at here once: where every value has the column's own type the column
 * crosses as a typed array or as one text. Everything else crosses value by value and is fitted, or
 * refused with its column and row, by the library that all languages share.
 */

import { makeError } from "./errors.js";
import { native, type BatchHandle, type PackColumn, type Plain } from "./native.js";
import type { CrossingField, Schema } from "./schema.js";
import { Batch } from "./batch.js";

/** A value that a column can take. `undefined` and what is missing is null. */
export type InputValue =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | ArrayBuffer
  | ArrayBufferView
  | ReadonlyMap<InputValue, InputValue>
  | readonly InputValue[]
  | { readonly [name: string]: InputValue };

/** A row, by the names of its columns. Columns that are missing are null. */
export type InputRow = { readonly [column: string]: InputValue };

/** Columns of one length, by their names. */
export type InputColumns = { readonly [column: string]: readonly InputValue[] | Plain };

/** What can be inserted: one row, rows, columns, or a batch of a result. */
export type Input = InputRow | Iterable<InputRow> | InputColumns | Batch<unknown>;

/** A batch that fits the columns of a source, and its rows. */
export interface Pack {
  readonly handle: BatchHandle;
  readonly rows: number;
}

/** The values of a column. */
export type Cells = readonly unknown[] | Plain;

/** Reads what is to be inserted. An error names the column and the row. */
export function pack(schema: Schema, data: Input): Pack {
  if (data instanceof Batch) return { handle: data.handle, rows: data.numRows };
  if (typeof data !== "object" || data === null || ArrayBuffer.isView(data)) throw noInput(data);
  const single = !(Symbol.iterator in data);
  const columns = single ? columnar(schema, data as InputRow | InputColumns) : undefined;
  const rows = (): Iterable<InputRow> =>
    single ? [data as InputRow] : (data as Iterable<InputRow>);
  return packTable(schema, columns ?? transposed(schema, rows()));
}

/** Whether it is one row, as far as that can be told without its values. */
export function isSingle(data: Input): data is InputRow | InputColumns {
  return typeof data === "object" && data !== null && !(Symbol.iterator in data);
}

function packTable(schema: Schema, { rows, cells }: Table): Pack {
  return { handle: packCells(schema, rows, cells), rows };
}

/** A batch of the cells of each column, which are in the order of the schema. */
export function packCells(
  schema: Schema,
  rows: number,
  cells: readonly (Cells | undefined)[],
): BatchHandle {
  const packed = schema.crossing.map((field, index) => packColumn(field, cells[index], rows));
  return native.pack(schema.handle, rows, packed);
}

/** The bytes of an Arrow IPC stream or file. */
export function ipcBytes(data: Uint8Array | ArrayBuffer): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  const text = "Arrow data is an Uint8Array or ArrayBuffer of an IPC stream or file";
  throw makeError(`LDB-3001: ${text}`, 300, "LDB-3001");
}

/** Rows that are read one at a time, those whose values all have their column's own type. */
export class PlainRow {
  readonly #schema: Schema;
  readonly #required: readonly number[];
  readonly #values: unknown[];
  readonly #units: readonly number[];

  constructor(schema: Schema) {
    this.#schema = schema;
    this.#required = schema.crossing.flatMap((field, index) => (field.nullable ? [] : [index]));
    this.#values = schema.crossing.map(() => undefined);
    this.#units = schema.crossing.map(unitOf);
  }

  /**
   * The values of a row in the order of the columns, which stay until the next row is read; undefined
   * when the row has to be looked at more closely.
   */
  read(row: InputRow): readonly unknown[] | undefined {
    const values = this.#values.fill(undefined);
    for (const name of Object.keys(row)) {
      const place = this.#schema.indexOf(name);
      const field = this.#schema.crossing[place];
      if (field === undefined) return undefined;
      const value = row[name];
      if (value !== null && value !== undefined && !fitsPlainly(field, value)) return undefined;
      values[place] = value;
    }
    for (const place of this.#required) {
      if (values[place] === null || values[place] === undefined) return undefined;
    }
    return values;
  }

  /** The same with dates as numbers of their column's unit. */
  readNumbers(row: InputRow): readonly unknown[] | undefined {
    const values = this.read(row);
    if (values === undefined) return undefined;
    for (let place = 0; place < values.length; place++) {
      const value = values[place];
      if (value instanceof Date) {
        this.#values[place] = longOf(value, this.#units[place] as number);
      }
    }
    return values;
  }
}

/** Rows that are added one at a time, so that the rows of many calls make one batch. */
export class Gathering {
  readonly #schema: Schema;
  readonly #row: PlainRow;
  #cells: unknown[][] = [];
  #rows = 0;

  constructor(schema: Schema) {
    this.#schema = schema;
    this.#row = new PlainRow(schema);
    this.#begin();
  }

  /** How many rows there are. */
  get rows(): number {
    return this.#rows;
  }

  /** Takes a row, or answers false when it has to be looked at more closely. */
  add(row: InputRow): boolean {
    const values = this.#row.read(row);
    if (values === undefined) return false;
    for (let place = 0; place < values.length; place++) {
      (this.#cells[place] as unknown[]).push(values[place]);
    }
    this.#rows += 1;
    return true;
  }

  /** The rows as a batch, after which there are none. */
  take(): Pack {
    const [cells, rows] = [this.#cells, this.#rows];
    this.#begin();
    return packTable(this.#schema, { rows, cells });
  }

  #begin(): void {
    this.#cells = this.#schema.crossing.map(() => []);
    this.#rows = 0;
  }
}

interface Table {
  readonly rows: number;
  /** In the order of the schema; undefined where nothing was given. */
  readonly cells: readonly (Cells | undefined)[];
}

/** The cells of rows, column by column. */
function transposed(schema: Schema, given: Iterable<InputRow>): Table {
  const list = Array.isArray(given) ? (given as readonly InputRow[]) : [...given];
  const rows = list.length;
  const cells = new Array<unknown[] | undefined>(schema.fields.length).fill(undefined);
  let names: string[] = [];
  let targets: unknown[][] = [];
  for (let index = 0; index < rows; index++) {
    const row = list[index] as InputRow;
    if (typeof row !== "object" || row === null || Array.isArray(row)) throw noRow(row, index);
    const keys = Object.keys(row);
    if (!sameTexts(keys, names)) {
      names = keys;
      targets = keys.map((name) => (cells[place(schema, name)] ??= new Array<unknown>(rows)));
    }
    for (let column = 0; column < keys.length; column++) {
      (targets[column] as unknown[])[index] = row[keys[column] as string];
    }
  }
  return { rows, cells };
}

function sameTexts(left: readonly string[], right: readonly string[]): boolean {
  if (left.length !== right.length) return false;
  for (let index = 0; index < left.length; index++) if (left[index] !== right[index]) return false;
  return true;
}

/** The cells of columns; undefined when the object is a row. */
function columnar(schema: Schema, data: InputRow | InputColumns): Table | undefined {
  const columns = Object.entries(data);
  if (columns.length === 0 || !columns.every(([, values]) => isList(values))) return undefined;
  const lists = columns as [string, Cells][];
  if (lists.every(([name, values]) => isListOfRow(schema, name, values))) return undefined;
  const [firstName, first] = lists[0] as [string, Cells];
  const cells = new Array<Cells | undefined>(schema.fields.length).fill(undefined);
  for (const [name, values] of lists) {
    if (values.length !== first.length) {
      const [one, other] = [values.length, first.length];
      const text = `column \`${name}\` has ${one} values and column \`${firstName}\` has ${other}`;
      throw makeError(`LDB-3001: ${text}`, 300, "LDB-3001");
    }
    cells[place(schema, name)] = values;
  }
  return { rows: first.length, cells };
}

/** Whether a value is an array or a typed array. */
export function isList(value: unknown): value is Cells {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** Whether an array is the value of one row: its column is one of lists and it holds none. */
function isListOfRow(schema: Schema, name: string, values: Cells): boolean {
  const type = schema.fields[schema.indexOf(name)]?.type ?? "";
  const isValue = (item: unknown): boolean => !isList(item) && item !== null && item !== undefined;
  if (type === "BYTEA" && values instanceof Uint8Array) return true;
  return type.endsWith("]") && values.length > 0 && (values as unknown[]).every(isValue);
}

function place(schema: Schema, name: string): number {
  const index = schema.indexOf(name);
  if (index >= 0) return index;
  const columns = schema.names.join(", ");
  const text = `there is no column \`${name}\`; the columns are ${columns}`;
  throw makeError(`LDB-3201: ${text}`, 302, "LDB-3201");
}

function noInput(data: unknown): Error {
  const text =
    `a value of type ${typeof data} cannot be inserted; ` +
    "give a row, an iterable of rows, columns, or a batch";
  return makeError(`LDB-3001: ${text}`, 300, "LDB-3001");
}

function noRow(row: unknown, index: number): Error {
  const kind = row === null ? "null" : Array.isArray(row) ? "an array" : `a ${typeof row}`;
  const text = `row ${index + 1} is ${kind}, not an object of columns`;
  return makeError(`LDB-3001: ${text}`, 300, "LDB-3001");
}

type Numbers = new (length: number) => Exclude<Plain, BigInt64Array | BigUint64Array>;

type Integers = readonly [array: Numbers, least: number, greatest: number];

/** The typed array of a kind and the integers that it holds. */
const INTEGERS: { readonly [kind: string]: Integers } = {
  int8: [Int8Array, -(2 ** 7), 2 ** 7 - 1],
  uint8: [Uint8Array, 0, 2 ** 8 - 1],
  int16: [Int16Array, -(2 ** 15), 2 ** 15 - 1],
  uint16: [Uint16Array, 0, 2 ** 16 - 1],
  int32: [Int32Array, -(2 ** 31), 2 ** 31 - 1],
  uint32: [Uint32Array, 0, 2 ** 32 - 1],
};

const PLAIN_CLASSES: { [kind: string]: new (length: number) => Plain } = {
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
};

/** As long as there are fewer rows, a call for each cell costs less than a typed array. */
const FEW_ROWS = 8;

/** The form in which a column crosses. */
function packColumn(field: CrossingField, cells: Cells | undefined, rows: number): PackColumn {
  if (cells === undefined) return undefined;
  const Plain = PLAIN_CLASSES[field.kind];
  if (Plain !== undefined && cells instanceof Plain) return { plain: cells };
  const quicker = rows < FEW_ROWS ? undefined : quick(field, cells, rows);
  return quicker ?? (Array.isArray(cells) ? cells : Array.from(cells as never));
}

/** Whether a value that is not null has the own type of its column. */
function fitsPlainly(field: CrossingField, value: unknown): boolean {
  const integers = INTEGERS[field.kind];
  if (integers !== undefined) {
    return Number.isInteger(value) && inRange(value as number, integers);
  }
  switch (field.kind) {
    case "float32":
    case "float64":
      return typeof value === "number";
    case "bool":
      return typeof value === "boolean";
    case "text":
      return typeof value === "string" && value.isWellFormed();
    case "int64":
    case "timestamp":
      return longOf(value, unitOf(field)) !== undefined;
    default:
      return false;
  }
}

/** The column where all values have its own type; undefined where one has not. */
function quick(field: CrossingField, cells: Cells, rows: number): PackColumn | undefined {
  const integers = INTEGERS[field.kind];
  if (integers !== undefined) {
    const [Plain] = integers;
    return numbers(cells, new Plain(rows), (value) => {
      return Number.isInteger(value) && inRange(value, integers);
    });
  }
  switch (field.kind) {
    case "float32":
      return numbers(cells, new Float32Array(rows), () => true);
    case "float64":
      return numbers(cells, new Float64Array(rows), () => true);
    case "bool":
      return booleans(cells, rows);
    case "text":
      return texts(cells, rows);
    case "int64":
    case "timestamp":
      return longs(cells, rows, field);
    default:
      return undefined;
  }
}

/** Marks of what is not null; absent while all is. */
class Validity {
  valid: Uint8Array | undefined;

  constructor(readonly rows: number) {}

  /** Whether a value is null, which is noted. */
  isNull(value: unknown, row: number): boolean {
    if (value !== null && value !== undefined) return false;
    this.valid ??= new Uint8Array(this.rows).fill(1);
    this.valid[row] = 0;
    return true;
  }
}

function numbers(
  cells: Cells,
  plain: Exclude<Plain, BigInt64Array | BigUint64Array>,
  fits: (value: number) => boolean,
): PackColumn {
  const validity = new Validity(plain.length);
  for (let row = 0; row < plain.length; row++) {
    const value = cells[row];
    if (typeof value === "number" && fits(value)) plain[row] = value;
    else if (!validity.isNull(value, row)) return undefined;
  }
  return { plain, valid: validity.valid };
}

function booleans(cells: Cells, rows: number): PackColumn {
  const plain = new Uint8Array(rows);
  const validity = new Validity(rows);
  for (let row = 0; row < rows; row++) {
    const value = cells[row] as unknown;
    if (typeof value === "boolean") plain[row] = Number(value);
    else if (!validity.isNull(value, row)) return undefined;
  }
  return { plain, valid: validity.valid };
}

function texts(cells: Cells, rows: number): PackColumn {
  const lengths = new Uint32Array(rows);
  const validity = new Validity(rows);
  for (let row = 0; row < rows; row++) {
    const value = cells[row] as unknown;
    if (typeof value === "string") lengths[row] = value.length;
    else if (!validity.isNull(value, row)) return undefined;
  }
  // Nulls are joined as nothing.
  const text = (cells as readonly string[]).join("");
  return text.isWellFormed() ? { text, lengths, valid: validity.valid } : undefined;
}

function inRange(value: number, [, least, greatest]: Integers): boolean {
  return value >= least && value <= greatest;
}

/** Units in a millisecond, for the timestamps that count it or less; 0 for other columns. */
function unitOf({ kind, perSecond = 0 }: CrossingField): number {
  return kind === "timestamp" && perSecond >= 1_000 ? perSecond / 1_000 : 0;
}

/** A 64-bit integer, from a date by the units in its milliseconds; undefined when it is none. */
function longOf(value: unknown, unit: number): number | bigint | undefined {
  if (typeof value === "bigint") return BigInt.asIntN(64, value) === value ? value : undefined;
  const integer = value instanceof Date && unit > 0 ? value.getTime() * unit : value;
  return Number.isSafeInteger(integer) ? (integer as number) : undefined;
}

function longs(cells: Cells, rows: number, field: CrossingField): PackColumn {
  const plain = new BigInt64Array(rows);
  const halves = new Int32Array(plain.buffer);
  const validity = new Validity(rows);
  const unit = unitOf(field);
  for (let row = 0; row < rows; row++) {
    const value = cells[row] as unknown;
    const integer = longOf(value, unit);
    if (typeof integer === "number") {
      halves[2 * row] = integer;
      halves[2 * row + 1] = Math.floor(integer / 4_294_967_296);
    } else if (integer !== undefined) {
      plain[row] = integer;
    } else if (!validity.isNull(value, row)) {
      return undefined;
    }
  }
  return { plain, valid: validity.valid };
}
