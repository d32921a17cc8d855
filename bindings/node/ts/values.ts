/** Values of rows, and the forms that there are for some of them. */

/** A calendar interval. */
export interface Interval {
  readonly months: number;
  readonly days: number;
  readonly nanoseconds: bigint | number;
}

/** What a cell of a result holds. */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | Uint8Array
  | Interval
  | Map<Value, Value>
  | Value[]
  | { [name: string]: Value };

/** A row of a result, by the names of its columns. */
export type Row = { [column: string]: Value };

/**
 * The forms in which values come out. A database has them as its defaults, a query or a subscription
 * may have its own.
 */
export interface ValueOptions {
  /**
   * 64-bit integers, and counts of a time of the day or a duration in such: `"bigint"` (default) or
   * `"number"`, where reading one that a number does not hold exactly is an error.
   */
  readonly int64?: "bigint" | "number";
  /**
   * Timestamps and dates: `"date"` (default; cut to the milliseconds of `Date`) or `"ms"`,
   * milliseconds since 1970 with their fraction.
   */
  readonly timestamps?: "date" | "ms";
  /** Decimals: `"string"` (default), their digits, or `"number"`, the nearest one. */
  readonly decimals?: "string" | "number";
}

/** The same options without gaps. */
export interface Form {
  readonly numbers: boolean;
  readonly milliseconds: boolean;
  readonly decimalNumbers: boolean;
}

/** What `options` say, over what is the default. */
export function formOf(options: ValueOptions, over?: Form): Form {
  const { int64, timestamps, decimals } = options;
  return {
    numbers: choose("int64", int64, "bigint", "number") ?? over?.numbers ?? false,
    milliseconds: choose("timestamps", timestamps, "date", "ms") ?? over?.milliseconds ?? false,
    decimalNumbers:
      choose("decimals", decimals, "string", "number") ?? over?.decimalNumbers ?? false,
  };
}

/** Whether the second of two forms was chosen; undefined when none was. */
function choose(
  option: string,
  given: string | undefined,
  first: string,
  second: string,
): boolean | undefined {
  if (given === undefined || given === first || given === second) {
    return given === undefined ? undefined : given === second;
  }
  throw new TypeError(`${option} is "${first}" or "${second}", not ${JSON.stringify(given)}`);
}

/** The form as the addon takes it. */
export function formBits(form: Form): number {
  return Number(form.numbers) + 2 * Number(form.milliseconds) + 4 * Number(form.decimalNumbers);
}
