/** The configuration of a database. */

import type { ValueOptions } from "./values.js";

/** Settings for `LaminarDB.open`. What is left out has the library's default. */
export interface LaminarConfig extends ValueOptions {
  /** Rows that a subscription holds until they are read; a power of two (65,536). */
  readonly bufferSize?: number;
  /** Bytes that wait before `start()` until inserts are held back (256 MiB). */
  readonly maxQueuedBytes?: number;
  /** Rows of its past that a source or a stream keeps for queries (65,536). */
  readonly retainHistory?: number;
  /** How long an insert waits for room before it fails with BACKPRESSURE (30,000). */
  readonly pushTimeoutMs?: number;
  /** The values of `${NAME}` in the strings of definitions; others come from the environment. */
  readonly variables?: { readonly [name: string]: string };
  /** How calls of the library wait for each other: `"spin"`, `"spin_yield"`, `"park"`. */
  readonly waitStrategy?: string;
  /** Partitions of operators by keys, from 1, the default, to 64. */
  readonly workers?: number;
  /** `"full"`, or `"trusted"` to skip the checks of the content of Arrow buffers. */
  readonly validateInput?: "full" | "trusted";
  /** Directory of a durable database; this version answers it with code UNSUPPORTED. */
  readonly storageDir?: string;
}

const DEFAULT_PUSH_TIMEOUT_MS = 30_000;

/** What is for the library, and how long this package waits for room for a producer. */
export interface Settings {
  readonly json: string;
  readonly pushTimeoutMs: number;
}

/** Reads a configuration. Keys that are not known are left for the library to refuse by name. */
export function settingsOf(path: string, config: LaminarConfig): Settings {
  const { int64: _1, timestamps: _2, decimals: _3, storageDir, ...rest } = config;
  const settings: { [key: string]: unknown } = {
    path: path === ":memory:" && storageDir !== undefined ? storageDir : path,
  };
  for (const [key, value] of Object.entries(rest)) {
    if (value !== undefined) settings[key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)] = value;
  }
  return {
    json: JSON.stringify(settings),
    pushTimeoutMs: config.pushTimeoutMs ?? DEFAULT_PUSH_TIMEOUT_MS,
  };
}
