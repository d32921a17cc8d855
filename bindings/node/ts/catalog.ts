/** What there is in a database and how it is doing: its system tables, as objects. */

import type { LaminarDB } from "./database.js";

/** A source: a row of `laminar_sources`. */
export interface SourceInfo {
  readonly name: string;
  /** The declared event time; null when there is none. */
  readonly watermarkColumn: string | null;
  /** The watermark in milliseconds since 1970; null before the first. */
  readonly watermarkMs: number | null;
  readonly totalRows: number;
  readonly batches: number;
  readonly retainedRows: number;
  readonly droppedRows: number;
  readonly pendingRows: number;
  readonly capacityRows: number;
  readonly isBackpressured: boolean;
  readonly producers: number;
  readonly channel: string;
  readonly stateBytes: number;
  readonly sql: string;
}

/** A table: a row of `laminar_tables`. */
export interface TableInfo {
  readonly name: string;
  readonly primaryKey: string | null;
  readonly rows: number;
  readonly watermarkColumn: string | null;
  readonly watermarkMs: number | null;
  readonly totalRows: number;
  readonly batches: number;
  readonly pendingRows: number;
  readonly capacityRows: number;
  readonly isBackpressured: boolean;
  readonly producers: number;
  readonly channel: string;
  readonly stateBytes: number;
  readonly kind: string;
  readonly sql: string;
}

/** A stream or a materialized view: a row of `laminar_streams` or `laminar_views`. */
export interface StreamInfo {
  readonly name: string;
  /** The form of its results, as EMIT spells it. */
  readonly emit: string;
  /** `"created"` before the start, `"running"`, or `"failed"` with the error. */
  readonly state: string;
  readonly error: string | null;
  /** How far its result is final; null where it carries no event time. */
  readonly watermarkMs: number | null;
  readonly totalRows: number;
  readonly batches: number;
  readonly lateRows: number;
  readonly deadLetters: number;
  readonly subscribers: number;
  readonly channel: string | null;
  readonly pendingRows: number;
  readonly capacityRows: number;
  readonly isBackpressured: boolean;
  readonly missedRows: number;
  readonly retainedRows: number;
  readonly stateBytes: number;
  readonly sql: string;
}

/** A sink: a row of `laminar_sinks`. */
export interface SinkInfo {
  readonly name: string;
  readonly input: string;
}

/** An ad-hoc query that is open, or a subscription to a query: a row of `laminar_queries`. */
export interface QueryInfo {
  /** Its number, for `cancelQuery`. */
  readonly id: number;
  /** `"query"` or `"subscription"`. */
  readonly kind: string;
  readonly sql: string;
  /** False once it was read to its end, failed or was cancelled. */
  readonly isActive: boolean;
  readonly rows: number;
  readonly elapsedMs: number;
}

/** A subscription that is open: a row of `laminar_subscriptions`. */
export interface SubscriptionInfo {
  /** Its number, for `cancelQuery`. */
  readonly id: number;
  readonly stream: string | null;
  readonly sql: string | null;
  readonly emit: string;
  readonly onFull: string;
  readonly pendingRows: number;
  readonly capacityRows: number;
  readonly isFull: boolean;
  readonly missedRows: number;
}

/** How the database is doing: the row of `laminar_metrics`. */
export interface Metrics {
  /** `"created"` before the start, then `"running"`. */
  readonly state: string;
  readonly uptimeMs: number;
  readonly epochs: number;
  readonly totalRowsIngested: number;
  readonly totalRowsEmitted: number;
  /** Late rows, dead letters and what open subscriptions missed. */
  readonly totalRowsDropped: number;
  readonly totalBatches: number;
  readonly lateRows: number;
  readonly deadLetters: number;
  readonly missedRows: number;
  /** The least watermark of the sources that declare one; null until all have one. */
  readonly watermarkMs: number | null;
  readonly sources: number;
  readonly tables: number;
  readonly streams: number;
  readonly views: number;
  readonly sinks: number;
  readonly subscriptions: number;
  readonly queries: number;
  readonly pendingRows: number;
  readonly waitingRows: number;
  readonly queuedBytes: number;
  readonly retainedRows: number;
  readonly stateBytes: number;
}

/** What reads what: `laminar_topology`. */
export interface Topology {
  readonly nodes: readonly {
    readonly name: string;
    /** `"source"`, `"table"`, `"stream"`, `"view"` or `"sink"`. */
    readonly nodeType: string;
    readonly sql: string | null;
  }[];
  readonly edges: readonly { readonly fromNode: string; readonly toNode: string }[];
}

/** The rows of a system table. Counts are numbers, and names are in camel case. */
export async function systemTable<T>(db: LaminarDB, name: string): Promise<T[]> {
  const table = await db.query(`SELECT * FROM ${name}`, { int64: "number" }).toArray();
  const camel = (column: string): string =>
    column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return table.map((row) => {
    const entries = Object.entries(row).map(([column, value]) => [camel(column), value]);
    return Object.fromEntries(entries) as T;
  });
}

interface TopologyRow {
  readonly kind: "node" | "edge";
  readonly name: string;
  readonly nodeType: string;
  readonly sql: string | null;
  readonly fromNode: string;
  readonly toNode: string;
}

/** What reads what in a database. */
export async function topologyOf(db: LaminarDB): Promise<Topology> {
  const rows = await systemTable<TopologyRow>(db, "laminar_topology");
  const of = (kind: string): TopologyRow[] => rows.filter((row) => row.kind === kind);
  return {
    nodes: of("node").map(({ name, nodeType, sql }) => ({ name, nodeType, sql })),
    edges: of("edge").map(({ fromNode, toNode }) => ({ fromNode, toNode })),
  };
}
