/** What the tests share. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";

import { LaminarDB, LaminarError, type LaminarConfig } from "@laminardb/node";

/** A database that was started, with these sources (`"s (id BIGINT)"`) and other statements. */
export async function open(statements: string[], config?: LaminarConfig): Promise<LaminarDB> {
  const db = await LaminarDB.open(":memory:", config);
  for (const statement of statements) {
    const whole = /^CREATE /.test(statement) ? statement : `CREATE SOURCE ${statement}`;
    await db.execute(whole);
  }
  await db.start();
  return db;
}

/** Checks that an error has this class, code and words. */
export function fails(
  Class: typeof LaminarError,
  code: number,
  ...words: string[]
): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof Class, `${String(error)} is no ${Class.name}`);
    assert.equal(error.code, code, error.message);
    for (const word of words) assert.ok(error.message.includes(word), error.message);
    return true;
  };
}

/** What a program printed and how it ended. */
export interface Ran {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs Node with these arguments. */
export function node(args: string[], timeoutMs = 60_000): Promise<Ran> {
  const child = spawn(process.execPath, args, { cwd: import.meta.dirname, timeout: timeoutMs });
  const out = { stdout: "", stderr: "" };
  child.stdout.on("data", (data: Buffer) => (out.stdout += data.toString()));
  child.stderr.on("data", (data: Buffer) => (out.stderr += data.toString()));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, ...out }));
  });
}

/** Runs an ES module given as text, which can import the package. */
export function run(program: string, flags: string[] = []): Promise<Ran> {
  return node([...flags, "--input-type=module", "--eval", program]);
}

/** Lets the event loop turn, and garbage be collected where Node was started with `--expose-gc`. */
export async function collect(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    globalThis.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}
