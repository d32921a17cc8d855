/** Room in a source, as the library tells of it. */

import { native, nextId, waiting, type SourceHandle, type Wakeable } from "./native.js";
import type { Room } from "./order.js";

/**
 * The room that one producer waits for. The library tells of it after a push that found none; a word
 * that comes before anybody waits is kept until the next attempt.
 */
export class SourceRoom implements Room, Wakeable {
  readonly #source: SourceHandle;
  readonly #id = nextId();
  #isWatched = false;
  #isTold = false;
  #go: (() => void) | undefined;

  constructor(source: SourceHandle) {
    this.#source = source;
  }

  begin(): void {
    this.#isTold = false;
    // Before the attempt: the word may come before its refusal does.
    waiting.set(this.#id, this);
  }

  async wait(timeoutMs: number): Promise<void> {
    // A timer, not a thread, waits; it keeps the process alive meanwhile.
    let timer: NodeJS.Timeout | undefined;
    try {
      if (!this.#isWatched) {
        this.#isWatched = true;
        await native.sourceOnRoom(this.#source, this.#id);
      }
      if (this.#isTold) return;
      await new Promise<void>((resolve) => {
        this.#go = resolve;
        timer = setTimeout(resolve, Math.min(timeoutMs, LONGEST_TIMEOUT_MS));
      });
    } finally {
      clearTimeout(timer);
      this.#go = undefined;
    }
  }

  wake(): void {
    this.#isTold = true;
    this.#go?.();
  }

  /** Forgets about it: nobody is woken any more. */
  close(): void {
    waiting.delete(this.#id);
  }
}

/** What Node's timers count up to. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;
