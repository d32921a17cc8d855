/** How calls wait for each other, and pushes for room, without a thread that waits. */

import * as codes from "./codes.js";
import { hasCode } from "./errors.js";

/** Runs tasks one after another, in the order in which they came. */
export class Serial {
  #last: Promise<unknown> | undefined;

  /** Whether a task runs or waits. */
  get isBusy(): boolean {
    return this.#last !== undefined;
  }

  /** Runs a task: at once when there is none before it. */
  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last === undefined ? task() : this.#last.then(task);
    const settled: Promise<unknown> = result.then(nothing, nothing).then(() => {
      if (this.#last === settled) this.#last = undefined;
    });
    this.#last = settled;
    return result;
  }
}

function nothing(): void {}

/** Calls `abort` when, or if already, the signal is aborted; answers how to forget about it. */
export function onAbort(signal: AbortSignal | undefined, abort: () => void): () => void {
  if (signal === undefined) return nothing;
  if (signal.aborted) {
    abort();
    return nothing;
  }
  signal.addEventListener("abort", abort, { once: true });
  return () => signal.removeEventListener("abort", abort);
}

/** Tells when an attempt that found no room is worth another one. */
export interface Room {
  /** An attempt begins: what was told before is forgotten. */
  begin(): void;
  /** Resolves when there is room, or after so many milliseconds. */
  wait(timeoutMs: number): Promise<void>;
}

/**
 * Makes an attempt, and again while it answers that there is no room, for at most so long. The
 * library is asked without waiting, so that no thread is held up by a subscription that nobody reads.
 */
export async function withRoom<T>(
  timeoutMs: number,
  attempt: () => Promise<T>,
  room: Room,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    room.begin();
    try {
      return await attempt();
    } catch (error) {
      const left = deadline - performance.now();
      if (left <= 0 || !hasCode(error, codes.BACKPRESSURE)) throw error;
      await room.wait(left);
    }
  }
}
