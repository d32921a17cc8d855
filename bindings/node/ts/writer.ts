/** Producers that gather rows. */

import { Batch } from "./batch.js";
import * as codes from "./codes.js";
import { hasCode } from "./errors.js";
import type { BatchHandle } from "./native.js";
import { Serial } from "./order.js";
import { Gathering, isSingle, pack, type Input, type InputRow } from "./rows_in.js";
import type { Schema } from "./schema.js";
import type { EventTime, Producer } from "./source.js";

/** Rows that a writer gathers before it pushes them. */
const BATCH_ROWS = 1_024;

/**
 * A producer that gathers rows and pushes them 1,024 at a time, at a watermark, at `flush()` and
 * when it is closed. Await its calls, so that it is not given more than it can push.
 */
export class Writer implements AsyncDisposable {
  readonly #producer: Producer;
  readonly #calls = new Serial();
  readonly #gathering: Gathering;
  /** What was taken before the rows that are being gathered. */
  #packs: BatchHandle[] = [];
  #packedRows = 0;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(producer: Producer) {
    this.#producer = producer;
    this.#gathering = new Gathering(producer.schema);
  }

  /** The name of the source. */
  get name(): string {
    return this.#producer.name;
  }

  /** The columns of the source. */
  get schema(): Schema {
    return this.#producer.schema;
  }

  /** The largest watermark that was set here, in milliseconds; undefined before the first. */
  get currentWatermark(): number | undefined {
    return this.#producer.watermark;
  }

  /** Whether it, or its database, was closed. */
  get isClosed(): boolean {
    return this.#producer.isClosed;
  }

  /**
   * Takes one row, rows or columns and answers the rows; a batch is pushed at once. Wrong data is an
   * error that names the column, and nothing of it is taken; what was taken before stays.
   */
  async insert(data: Input): Promise<number> {
    this.#producer.check();
    if (data instanceof Batch) {
      return this.#calls.run(async () => {
        await this.#pushGathered();
        return this.#producer.push([data.handle]);
      });
    }
    let rows = 1;
    if (!isSingle(data) || !this.#gathering.add(data as InputRow)) {
      const packed = pack(this.schema, data);
      this.#pack();
      this.#packs.push(packed.handle);
      this.#packedRows += rows = packed.rows;
    }
    if (this.#packedRows + this.#gathering.rows >= BATCH_ROWS) await this.#push();
    return rows;
  }

  /** Pushes the rows gathered, then says that every row up to this event time has been pushed. */
  async watermark(ts: EventTime): Promise<void> {
    this.#producer.check();
    const pushed = this.#push();
    await Promise.all([pushed, this.#producer.setWatermark(ts)]);
  }

  /** Pushes the rows gathered, then says that nothing more comes; a later insert is refused. */
  async endOfInput(): Promise<void> {
    this.#producer.check();
    await this.#push();
    await this.#producer.end();
  }

  /** Pushes the rows gathered; answers how many. */
  async flush(): Promise<number> {
    this.#producer.check();
    return this.#push();
  }

  /**
   * Pushes the rows gathered and gives the writer up; when there is no room for them it stays open.
   * The second time it does nothing.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    if (this.#producer.isClosed) return;
    try {
      await this.#push();
    } catch (error) {
      if (hasCode(error, codes.BACKPRESSURE)) {
        this.#closing = undefined;
        throw error;
      }
      await this.#producer.close();
      throw error;
    }
    await this.#producer.close();
  }

  /** Makes a batch of the rows that are being gathered. */
  #pack(): void {
    if (this.#gathering.rows === 0) return;
    const { handle, rows } = this.#gathering.take();
    this.#packs.push(handle);
    this.#packedRows += rows;
  }

  #push(): Promise<number> {
    return this.#calls.run(() => this.#pushGathered());
  }

  /** Pushes what is gathered. When there is no room it waits on, after any other error it is gone. */
  async #pushGathered(): Promise<number> {
    this.#pack();
    const [packs, rows] = [this.#packs, this.#packedRows];
    if (packs.length === 0) return 0;
    [this.#packs, this.#packedRows] = [[], 0];
    try {
      return await this.#producer.push(packs);
    } catch (error) {
      if (hasCode(error, codes.BACKPRESSURE)) {
        this.#packs = packs.concat(this.#packs);
        this.#packedRows += rows;
      }
      throw error;
    }
  }
}
