/** One column of a batch. */

import { makeError, type LaminarError } from "./errors.js";
import type { Plain, RawColumn } from "./native.js";
import type { CrossingField } from "./schema.js";
import type { Form, Value } from "./values.js";

const MILLISECONDS_PER_DAY = 86_400_000;
const TWO_TO_32 = 4_294_967_296;

/** A column of a batch: copies, so that changing what it hands out changes nothing else. */
export class Column<T = Value> implements Iterable<T | null> {
  /** Its name. */
  readonly name: string;
  /** Its type as SQL writes it. */
  readonly type: string;
  /** How many rows there are. */
  readonly length: number;
  /** 0 in the rows that are null, 1 in the others; null when none is. */
  readonly validity: Uint8Array | null;
  readonly #plain: Plain | undefined;
  readonly #decode: () => (T | null)[];
  #decoded: (T | null)[] | undefined;

  /** @internal */
  constructor(field: CrossingField, raw: RawColumn, length: number, form: Form) {
    this.name = field.name;
    this.type = field.type;
    this.length = length;
    this.validity = raw.valid ?? null;
    this.#plain = raw.plain;
    this.#decode = () => decode(field, raw, length, form) as (T | null)[];
  }

  /**
   * The values as they lie in memory, for columns of numbers and times: a typed array of 64-bit
   * integers for timestamps, times and durations, counted in the unit of the column; of 32-bit days
   * for dates; bytes of 0 and 1 for booleans. What stands there for a null says nothing. Undefined
   * for other columns.
   */
  get data(): Plain | undefined {
    return this.#plain;
  }

  /** The value in a row. */
  get(row: number): T | null {
    const value = this.#values()[row];
    if (value === undefined) throw new RangeError(`row ${row} of ${this.length}`);
    return value;
  }

  /** All values. */
  toArray(): (T | null)[] {
    return this.#values().slice();
  }

  [Symbol.iterator](): IterableIterator<T | null> {
    return this.#values()[Symbol.iterator]();
  }

  #values(): (T | null)[] {
    this.#decoded ??= this.#decode();
    return this.#decoded;
  }
}

/** The values of a column, null where there is none. */
export function decode(
  field: CrossingField,
  raw: RawColumn,
  length: number,
  form: Form,
): unknown[] {
  if (raw.values !== undefined) return raw.values;
  const { valid } = raw;
  const out = texts(raw, length) ?? plains(field, raw.plain as Plain, valid, length, form);
  if (valid !== undefined) {
    for (let row = 0; row < length; row++) if (valid[row] === 0) out[row] = null;
  }
  return out;
}

function texts({ text, ends }: RawColumn, length: number): unknown[] | undefined {
  if (text === undefined || ends === undefined) return undefined;
  const out = new Array<unknown>(length);
  let from = 0;
  for (let row = 0; row < length; row++) {
    const end = ends[row] as number;
    out[row] = text.slice(from, end);
    from = end;
  }
  return out;
}

function plains(
  field: CrossingField,
  plain: Plain,
  valid: Uint8Array | undefined,
  length: number,
  form: Form,
): unknown[] {
  const out = new Array<unknown>(length);
  const fill = (value: (row: number) => unknown): unknown[] => {
    for (let row = 0; row < length; row++) out[row] = value(row);
    return out;
  };
  switch (field.kind) {
    case "bool":
      return fill((row) => plain[row] !== 0);
    case "days":
      return fill(dateOf((row) => (plain[row] as number) * MILLISECONDS_PER_DAY, form));
    case "date": {
      const milliseconds = quotients(plain as BigInt64Array, 1, true);
      const day = (row: number): number => Math.floor(milliseconds(row) / MILLISECONDS_PER_DAY);
      return fill(dateOf((row) => day(row) * MILLISECONDS_PER_DAY, form));
    }
    case "timestamp": {
      const perSecond = field.perSecond ?? 1_000;
      const integers = plain as BigInt64Array;
      if (perSecond === 1) {
        const seconds = quotients(integers, 1, true);
        return fill(dateOf((row) => seconds(row) * 1_000, form));
      }
      return fill(dateOf(quotients(integers, perSecond / 1_000, !form.milliseconds), form));
    }
    default:
      if (form.numbers && (plain instanceof BigInt64Array || plain instanceof BigUint64Array)) {
        return fill(exact(plain, valid));
      }
      return fill((row) => plain[row]);
  }
}

function dateOf(milliseconds: (row: number) => number, form: Form): (row: number) => unknown {
  return form.milliseconds ? milliseconds : (row) => new Date(milliseconds(row));
}

/**
 * Divides 64-bit integers by a power of ten up to a million, rounding down when `whole`, without
 * bigints: the upper half is divided first, so that what is left is small enough for doubles.
 */
function quotients(
  integers: BigInt64Array,
  divisor: number,
  whole: boolean,
): (row: number) => number {
  const { buffer, byteOffset, length } = integers;
  const low = new Uint32Array(buffer, byteOffset, 2 * length);
  const high = new Int32Array(buffer, byteOffset, 2 * length);
  return (row) => {
    const upper = high[2 * row + 1] as number;
    const quotient = Math.floor(upper / divisor);
    const left = (upper - quotient * divisor) * TWO_TO_32 + (low[2 * row] as number);
    return quotient * TWO_TO_32 + (whole ? Math.floor(left / divisor) : left / divisor);
  };
}

/** 64-bit integers as numbers; an error where one that is not null is not exact. */
function exact(
  integers: BigInt64Array | BigUint64Array,
  valid: Uint8Array | undefined,
): (row: number) => number {
  return (row) => {
    const value = Number(integers[row]);
    if (!Number.isSafeInteger(value) && valid?.[row] !== 0) throw inexactError(integers[row] as bigint);
    return value;
  };
}

function inexactError(value: bigint): LaminarError {
  const message = `a number cannot hold ${value} exactly; read 64-bit integers as bigints`;
  return makeError(`LDB-4001: ${message}`, 400, "LDB-4001");
}
