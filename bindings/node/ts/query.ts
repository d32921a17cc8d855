/** A query and its rows. */

import { Batch } from "./batch.js";
import * as codes from "./codes.js";
import { hasCode, makeError } from "./errors.js";
import { native, type QueryHandle, type With } from "./native.js";
import { Schema } from "./schema.js";
import { Serial, onAbort } from "./order.js";
import type { Form, Row } from "./values.js";

type Opened = With<QueryHandle> & { readonly id: number };

interface Begun {
  readonly handle: QueryHandle;
  readonly schema: Schema;
  readonly id: number;
}

/**
 * A query, which begins when it is first read. It is read once: as a whole, or batch by batch in a
 * `for await`, which does not hold more than a batch at a time. Leaving that loop cancels it.
 */
export class Query<T = Row> implements AsyncIterable<Batch<T>>, AsyncDisposable {
  readonly #open: () => Promise<Opened>;
  readonly #form: Form;
  readonly #reads = new Serial();
  #opened: Promise<Begun> | undefined;
  #handle: QueryHandle | undefined;
  #cancelled = false;
  readonly #forgetSignal: () => void;

  /** @internal */
  constructor(open: () => Promise<Opened>, form: Form, signal?: AbortSignal) {
    this.#open = open;
    this.#form = form;
    this.#forgetSignal = onAbort(signal, () => this.cancel());
  }

  /** The columns of the result. Begins the query. */
  async schema(): Promise<Schema> {
    return (await this.#begin()).schema;
  }

  /** Its number in `db.queries()`. Begins the query. */
  async id(): Promise<number> {
    return (await this.#begin()).id;
  }

  /** All rows as objects. */
  async toArray(): Promise<T[]> {
    return (await this.batches()).flatMap((batch) => batch.toArray());
  }

  /** All columns by name, each an array of its values. */
  async toColumns(): Promise<{ [K in keyof T]: T[K][] }> {
    const { names } = await this.schema();
    const columns = new Map<string, unknown[]>(names.map((name) => [name, []]));
    for await (const batch of this) {
      for (const [name, values] of Object.entries(batch.toColumns())) {
        const column = columns.get(name) as unknown[];
        for (const value of values as unknown[]) column.push(value);
      }
    }
    return Object.fromEntries(columns) as { [K in keyof T]: T[K][] };
  }

  /** All rows as an Arrow IPC stream: `tableFromIPC(bytes)` of apache-arrow reads it. */
  toIPC(): Promise<Uint8Array> {
    return this.#reads.run(async () => {
      const { handle } = await this.#begin();
      const bytes = await native.queryIpc(handle);
      this.#forgetSignal();
      return bytes;
    });
  }

  /** All batches. */
  async batches(): Promise<Batch<T>[]> {
    const batches = [];
    for await (const batch of this) batches.push(batch);
    return batches;
  }

  /** The next batch; null at the end. */
  next(): Promise<Batch<T> | null> {
    return this.#reads.run(async () => {
      const { handle, schema } = await this.#begin();
      const batch = await native.queryNext(handle);
      if (batch !== null) return new Batch<T>(schema, batch, this.#form);
      this.#forgetSignal();
      return null;
    });
  }

  /** Cancels the query: reads fail with QUERY_CANCELLED. The second time it does nothing. */
  cancel(): void {
    this.#cancelled = true;
    if (this.#handle !== undefined) native.queryCancel(this.#handle);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Batch<T>, void, void> {
    let left = false;
    const iterator: AsyncIterableIterator<Batch<T>, void, void> = {
      next: async () => {
        try {
          const value = left ? null : await this.next();
          return value === null ? { done: true, value: undefined } : { done: false, value };
        } catch (error) {
          if (left && hasCode(error, codes.QUERY_CANCELLED)) return { done: true, value: undefined };
          throw error;
        }
      },
      // Also while a `next` waits, which an async generator would not allow.
      return: () => {
        left = true;
        this.cancel();
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.cancel();
    return Promise.resolve();
  }

  #begin(): Promise<Begun> {
    this.#opened ??= (async () => {
      if (this.#cancelled) throw cancelledError();
      const { handle, schema, id } = await this.#open();
      this.#handle = handle;
      if (this.#cancelled) native.queryCancel(handle);
      return { handle, schema: new Schema(schema), id };
    })();
    return this.#opened;
  }
}

function cancelledError(): Error {
  return makeError("LDB-4201: the query was cancelled", 402, "LDB-4201");
}
