/** Following what changes. */

import type { ChangeBatch } from "./batch.js";
import * as codes from "./codes.js";
import { closedError, hasCode } from "./errors.js";
import {
  END, NOTHING, RESET, native, nextId, waiting,
  type SubscriptionHandle, type Wakeable, type With,
} from "./native.js";
import { onAbort } from "./order.js";
import { Schema } from "./schema.js";
import type { ValueOptions } from "./values.js";

/** How to follow. */
export interface SubscribeOptions extends ValueOptions {
  /**
   * Whether it begins with what is there now: true for a query and false for a name, unless said
   * otherwise.
   */
  readonly snapshot?: boolean;
  /** Rows that are held until they are read: a power of two. */
  readonly capacity?: number;
  /**
   * What happens when they are not read: `"tell"` (default; a `SubscriptionError` with code
   * SUBSCRIPTION_LAGGED, or a batch with `isReset`), `"block"` (pushes wait for room), or
   * `"drop_oldest"`.
   */
  readonly onFull?: "tell" | "block" | "drop_oldest";
  /** A condition in SQL, for a name: only rows for which it is true are followed. */
  readonly where?: string;
  /** Begins with what changed after this epoch, as far back as `retainHistory` reaches. */
  readonly asOfEpoch?: number;
  /** Cancels the subscription when it is aborted. */
  readonly signal?: AbortSignal;
}

/** What Node's timers count up to. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** @internal What a subscription needs of its database, which it keeps alive. */
export interface Followed {
  readonly isClosed: boolean;
  /** Those of its subscriptions that keep the process alive, until it is closed. */
  readonly referenced: Set<{ unref(): unknown }>;
}

/** @internal Polls without waiting: the next batch, or what the addon answers without one. */
export type Poll<B> = (
  handle: SubscriptionHandle,
  schema: Schema,
  isReset: boolean,
) => B | number;

interface Waiter<B> {
  readonly resolve: (batch: B | null) => void;
  readonly reject: (error: unknown) => void;
  timer: NodeJS.Timeout | undefined;
}

/**
 * The changes of a stream or a query, batch by batch. It is in place when it is made: what calls
 * made afterwards push is seen, also if nothing was awaited.
 *
 * A `for await` reads it to its end, and leaving the loop cancels it. An idle subscription does not
 * keep the process alive; after `ref()` it does.
 */
export class Subscription<B extends { readonly epoch: number } = ChangeBatch>
  implements AsyncIterable<B>, AsyncDisposable, Disposable
{
  /** The name or query that it follows. */
  readonly name: string;
  readonly #database: Followed;
  readonly #pollNow: Poll<B>;
  readonly #wakeable: Wakeable = { wake: () => this.#pump() };
  readonly #id: number;
  readonly #made: Promise<void>;
  #handle: SubscriptionHandle | undefined;
  #schema: Schema | undefined;
  #failure: { readonly error: unknown } | undefined;
  #forgetSignal = (): void => {};
  #waiters: Waiter<B>[] = [];
  #isReset = false;
  #cancelled = false;
  #ended = false;
  #epoch = 0;

  /** @internal */
  constructor(
    database: Followed,
    name: string,
    make: (id: number) => Promise<With<SubscriptionHandle>>,
    poll: Poll<B>,
    signal?: AbortSignal,
  ) {
    this.#database = database;
    this.name = name;
    this.#pollNow = poll;
    this.#id = nextId();
    this.#made = make(this.#id).then(
      (made) => this.#begin(made),
      (error: unknown) => this.#fail(error),
    );
    this.#forgetSignal = onAbort(signal, () => this.cancel());
  }

  /** Resolves when the subscription is in place, and rejects when it could not be made. */
  async ready(): Promise<this> {
    await this.#made;
    if (this.#failure !== undefined && this.#handle === undefined) throw this.#failure.error;
    return this;
  }

  /** The columns of the batches. */
  async schema(): Promise<Schema> {
    await this.ready();
    return this.#schema as Schema;
  }

  /** Whether more can come: false after `cancel()`, after the end, and when the database closed. */
  get isActive(): boolean {
    return !this.#ended && !this.#cancelled && !this.#database.isClosed;
  }

  /** The epoch of the last batch; 0 before the first. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Rows that were missed since the subscription was made. */
  get lagged(): number {
    return this.#handle === undefined ? 0 : native.lagged(this.#handle);
  }

  /** The next batch if there is one; null otherwise. */
  poll(): B | null {
    this.#check();
    // Whoever waits came first, and it is theirs.
    return this.#waiters.length > 0 ? null : (this.#poll() ?? null);
  }

  /**
   * The next batch, waiting for it: at most so many milliseconds, or as long as it takes. Null when
   * nothing came or nothing will come any more.
   */
  next(timeoutMs?: number): Promise<B | null> {
    return new Promise((resolve, reject) => {
      this.#check();
      if (this.#waiters.length === 0) {
        const batch = this.#poll();
        if (batch !== undefined) {
          resolve(batch);
          return;
        }
      }
      const waiter: Waiter<B> = { resolve, reject, timer: undefined };
      if (timeoutMs !== undefined) {
        waiter.timer = setTimeout(() => {
          this.#waiters = this.#waiters.filter((other) => other !== waiter);
          this.#rest();
          resolve(null);
        }, Math.min(timeoutMs, LONGEST_TIMEOUT_MS));
      }
      this.#waiters.push(waiter);
      waiting.set(this.#id, this.#wakeable);
    });
  }

  /** Ends the subscription; whoever waits gets null. The second time it does nothing. */
  cancel(): void {
    if (this.#ended) return;
    this.#cancelled = true;
    if (this.#handle !== undefined) native.cancel(this.#handle);
    this.#end();
  }

  /** Keeps the process alive as long as this is active. */
  ref(): this {
    if (this.isActive && !this.#database.referenced.has(this)) {
      this.#database.referenced.add(this);
      native.hold();
    }
    return this;
  }

  /** Lets the process end although this is active, as it may at first. */
  unref(): this {
    if (this.#database.referenced.delete(this)) native.release();
    return this;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<B, void, void> {
    let begun = false;
    const iterator: AsyncIterableIterator<B, void, void> = {
      next: async () => {
        // A loop that was begun ends with its database; one that is begun later is told.
        if (begun && this.#database.isClosed) return { done: true, value: undefined };
        begun = true;
        const value = await this.next();
        return value === null ? { done: true, value: undefined } : { done: false, value };
      },
      // Also while a `next` waits, which an async generator would not allow.
      return: () => {
        this.cancel();
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  [Symbol.dispose](): void {
    this.cancel();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.cancel();
    return Promise.resolve();
  }

  #begin({ handle, schema }: With<SubscriptionHandle>): void {
    this.#handle = handle;
    this.#schema = new Schema(schema);
    if (this.#cancelled) native.cancel(handle);
    this.#pump();
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    this.#pump();
  }

  /** Throws when the database is closed. */
  #check(): void {
    if (this.#database.isClosed) throw closedError();
  }

  /** A batch, null at the end, or undefined when nothing has come. */
  #poll(): B | null | undefined {
    if (this.#ended || this.#cancelled) return null;
    if (this.#failure !== undefined) {
      this.#end(this.#failure.error);
      throw this.#failure.error;
    }
    if (this.#handle === undefined) return undefined;
    try {
      for (;;) {
        const polled = this.#pollNow(this.#handle, this.#schema as Schema, this.#isReset);
        if (typeof polled !== "number") {
          this.#isReset = false;
          this.#epoch = polled.epoch;
          return polled;
        }
        if (polled === NOTHING) return undefined;
        if (polled === RESET) this.#isReset = true;
        if (polled === END) {
          this.#end();
          return null;
        }
      }
    } catch (error) {
      // The database was closed under the call.
      if (hasCode(error, codes.CONNECTION_CLOSED)) {
        this.#end();
        return null;
      }
      // One that lagged, or is polled from inside of a function, goes on; one whose stream failed does
      // not.
      const goesOn = [codes.SUBSCRIPTION_LAGGED, codes.CONNECTION_IN_USE];
      if (!goesOn.some((code) => hasCode(error, code))) this.#end(error);
      throw error;
    }
  }

  /** Gives those who wait what has come. */
  #pump(): void {
    while (this.#waiters.length > 0) {
      let batch;
      try {
        batch = this.#poll();
      } catch (error) {
        this.#settle((waiter) => waiter.reject(error));
        continue;
      }
      if (batch === undefined) return;
      this.#settle((waiter) => waiter.resolve(batch));
    }
    this.#rest();
  }

  #settle(settle: (waiter: Waiter<B>) => void): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) return;
    clearTimeout(waiter.timer);
    settle(waiter);
  }

  /** Nobody waits: a subscription that nobody holds either may be collected. */
  #rest(): void {
    if (this.#waiters.length === 0) waiting.delete(this.#id);
  }

  #end(error?: unknown): void {
    this.#ended = true;
    this.#forgetSignal();
    this.unref();
    if (error !== undefined) this.#settle((waiter) => waiter.reject(error));
    while (this.#waiters.length > 0) this.#settle((waiter) => waiter.resolve(null));
    this.#rest();
  }
}

type Endable = Pick<Subscription, "isActive" | "cancel"> & { ref(): unknown; unref(): unknown };

/** A subscription that calls back. */
export class CallbackSubscription {
  readonly #subscription: Endable;
  /** Resolves when it has ended and no callback runs any more; it never rejects. */
  readonly done: Promise<void>;

  /** @internal */
  constructor(subscription: Endable, done: Promise<void>) {
    this.#subscription = subscription;
    this.done = done;
  }

  /** Whether more can come. */
  get isActive(): boolean {
    return this.#subscription.isActive;
  }

  /** Ends it. The second time it does nothing. */
  cancel(): void {
    this.#subscription.cancel();
  }

  /** As `Subscription.ref()`. */
  ref(): this {
    this.#subscription.ref();
    return this;
  }

  /** As `Subscription.unref()`. */
  unref(): this {
    this.#subscription.unref();
    return this;
  }

  [Symbol.dispose](): void {
    this.cancel();
  }
}

/** @internal Calls back with each batch, one at a time, until the end. */
export function callBack<T>(
  subscription: Subscription<ChangeBatch<T>>,
  onData: (batch: ChangeBatch<T>) => unknown,
  onError: ((error: unknown) => unknown) | undefined,
): CallbackSubscription {
  const tell = async (error: unknown): Promise<void> => {
    try {
      if (onError === undefined) throw error;
      await onError(error);
    } catch (uncaught) {
      // As an exception of any callback.
      process.nextTick(() => {
        throw uncaught;
      });
    }
  };
  const run = async (): Promise<void> => {
    for (;;) {
      try {
        const batch = await subscription.next();
        if (batch === null) return;
        await onData(batch);
      } catch (error) {
        if (hasCode(error, codes.CONNECTION_CLOSED)) return;
        await tell(error);
        if (!subscription.isActive) return;
      }
    }
  };
  return new CallbackSubscription(subscription, run());
}

/** @internal The options as the library reads them; it refuses those that nobody knows, by name. */
export function optionsJson(options: SubscribeOptions): string {
  const { onFull, where, asOfEpoch, signal: _, ...rest } = options;
  const { int64: _1, timestamps: _2, decimals: _3, ...others } = rest;
  return JSON.stringify({
    on_full: onFull,
    predicate: where,
    as_of_epoch: asOfEpoch,
    ...others,
  });
}
