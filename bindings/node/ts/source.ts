/** Producers of sources. */

import { Batch } from "./batch.js";
import { makeError, closedError, type LaminarError } from "./errors.js";
import { native, type BatchHandle, type RawSource, type SourceHandle } from "./native.js";
import { Serial, withRoom } from "./order.js";
import { SourceRoom } from "./room.js";
import { PlainRow, ipcBytes, isSingle, pack, type Input, type InputRow } from "./rows_in.js";
import { Schema } from "./schema.js";

/** What producers need of their database, which they keep alive. */
export interface Owner {
  readonly isClosed: boolean;
  readonly pushTimeoutMs: number;
  /** Resolves when the subscriptions made so far are in place; undefined when they are. */
  readonly subscribed: Promise<unknown> | undefined;
}

/** A point in event time: milliseconds since 1970. */
export type EventTime = number | bigint | Date;

/** @internal What sources and writers share: one producer, whose calls go one after another. */
export class Producer {
  readonly schema: Schema;
  readonly name: string;
  readonly owner: Owner;
  readonly #handle: SourceHandle;
  readonly #calls = new Serial();
  readonly #room: SourceRoom;
  readonly #pushTimeoutMs: number;
  #watermark: number | undefined;
  #closing: Promise<void> | undefined;

  constructor(owner: Owner, name: string, { handle, schema, pushTimeoutMs }: RawSource) {
    this.owner = owner;
    this.name = name;
    this.schema = new Schema(schema);
    this.#handle = handle;
    this.#room = new SourceRoom(handle);
    this.#pushTimeoutMs = pushTimeoutMs ?? owner.pushTimeoutMs;
  }

  get watermark(): number | undefined {
    return this.#watermark;
  }

  get isClosed(): boolean {
    return this.owner.isClosed || this.#closing !== undefined;
  }

  /** Throws when it is closed. */
  check(): void {
    if (this.owner.isClosed) throw closedError();
    if (this.#closing !== undefined) throw closedProducer(this.name);
  }

  push(packs: readonly BatchHandle[]): Promise<number> {
    return this.#call(() => native.sourcePush(this.#handle, [...packs]));
  }

  pushIpc(data: Uint8Array): Promise<number> {
    return this.#call(() => native.sourcePushIpc(this.#handle, data));
  }

  /** Pushes where nothing has to be waited for. */
  tryPush(pack: BatchHandle): boolean {
    if (this.#calls.isBusy || this.owner.subscribed !== undefined) return false;
    return native.sourceTryPush(this.#handle, pack);
  }

  /** The same with one row, as `PlainRow` has read it. */
  tryPushRow(cells: readonly unknown[]): boolean {
    if (this.#calls.isBusy || this.owner.subscribed !== undefined) return false;
    return native.sourceTryPushRow(this.#handle, cells);
  }

  async setWatermark(ts: EventTime): Promise<void> {
    const tsMs = milliseconds(ts);
    await this.#call(() => native.sourceWatermark(this.#handle, tsMs));
    this.#watermark = Math.max(this.#watermark ?? tsMs, tsMs);
  }

  end(): Promise<void> {
    return this.#call(() => native.sourceEnd(this.#handle));
  }

  async queue(): Promise<[pending: number, capacity: number]> {
    this.check();
    return native.sourceQueue(this.#handle);
  }

  async clone(): Promise<Producer> {
    this.check();
    return new Producer(this.owner, this.name, await native.sourceClone(this.#handle));
  }

  /** Gives it up after the calls before this one. */
  close(): Promise<void> {
    this.#closing ??= this.#calls.run(() => native.sourceClose(this.#handle));
    return this.#closing;
  }

  #call<T>(attempt: () => Promise<T>): Promise<T> {
    return this.#calls.run(async () => {
      if (this.owner.subscribed !== undefined) await this.owner.subscribed;
      try {
        return await withRoom(this.#pushTimeoutMs, attempt, this.#room);
      } finally {
        // Between its calls nothing leads here, so that it can be collected.
        this.#room.close();
      }
    });
  }
}

function closedProducer(name: string): LaminarError {
  const text = `this producer of \`${name}\` is closed; make another`;
  return makeError(`LDB-3101: ${text}`, 301, "LDB-3101");
}

function milliseconds(ts: EventTime): number {
  const tsMs = Number(ts);
  if (!Number.isSafeInteger(tsMs)) {
    const text = `${String(ts)} is no watermark; give whole milliseconds since 1970, or a Date`;
    throw makeError(`LDB-3001: ${text}`, 300, "LDB-3001");
  }
  return tsMs;
}

/**
 * A producer of one source: what is pushed has reached every view and subscription when the promise
 * resolves. It has a watermark of its own, and the watermark of the source is the smallest of its
 * open producers; `clone()` makes another. Its calls take effect one after another, in their order,
 * also when they are not awaited.
 */
export class Source implements AsyncDisposable, Disposable {
  readonly #producer: Producer;
  readonly #row: PlainRow;

  /** @internal */
  constructor(producer: Producer) {
    this.#producer = producer;
    this.#row = new PlainRow(producer.schema);
  }

  /** The name of the source. */
  get name(): string {
    return this.#producer.name;
  }

  /** The columns of the source. */
  get schema(): Schema {
    return this.#producer.schema;
  }

  /** Whether it, or its database, was closed. */
  get isClosed(): boolean {
    return this.#producer.isClosed;
  }

  /** The largest watermark that was set here, in milliseconds; undefined before the first. */
  get currentWatermark(): number | undefined {
    return this.#producer.watermark;
  }

  /** Rows that are held back until `start()`; 0 afterwards. */
  async pending(): Promise<number> {
    return (await this.#producer.queue())[0];
  }

  /** Rows that may be held back until `start()`. */
  async capacity(): Promise<number> {
    return (await this.#producer.queue())[1];
  }

  /** Pushes one row, rows, columns or a batch, all of it as one epoch; answers the rows. */
  async push(data: Input): Promise<number> {
    this.#producer.check();
    return this.#producer.push([pack(this.schema, data).handle]);
  }

  /** Pushes the rows of an Arrow IPC stream or file, all of it as one epoch; answers the rows. */
  async pushArrow(data: Uint8Array | ArrayBuffer): Promise<number> {
    this.#producer.check();
    return this.#producer.pushIpc(ipcBytes(data));
  }

  /**
   * Pushes at once, on this thread, and answers true; or false when that would have to wait for
   * room, for another push, or for calls of this producer that are not done.
   */
  tryPush(data: Input): boolean {
    this.#producer.check();
    const isRow = isSingle(data) && !(data instanceof Batch);
    const cells = isRow ? this.#row.readNumbers(data as InputRow) : undefined;
    if (cells !== undefined) return this.#producer.tryPushRow(cells);
    return this.#producer.tryPush(pack(this.schema, data).handle);
  }

  /** Says that every row of this producer up to this event time has been pushed. */
  async watermark(ts: EventTime): Promise<void> {
    this.#producer.check();
    await this.#producer.setWatermark(ts);
  }

  /** Says that nothing more comes from this producer; a later push is refused. */
  async endOfInput(): Promise<void> {
    this.#producer.check();
    await this.#producer.end();
  }

  /** One more producer of the same source. */
  async clone(): Promise<Source> {
    return new Source(await this.#producer.clone());
  }

  /**
   * Gives the producer up, after the calls before this one. From the next call of another producer
   * on, its watermark holds the source back no longer.
   */
  close(): Promise<void> {
    return this.#producer.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  [Symbol.dispose](): void {
    void this.close();
  }
}
