/** What a statement did. */

import { Batch } from "./batch.js";
import type { RawExecuted } from "./native.js";
import { Schema } from "./schema.js";
import type { Form, Row } from "./values.js";

/** What a statement did, or the rows that it answered. */
export class ExecuteResult<T = Row> {
  /** The words of the statement, such as `"CREATE SOURCE"`; `""` when it answered rows. */
  readonly statement: string;
  /** The name of what it was about; `""` when there is none. */
  readonly object: string;
  /** Rows inserted, updated or deleted; the rows answered by a query. */
  readonly rowsAffected: number;
  /** The rows of a query; empty otherwise. */
  readonly batches: readonly Batch<T>[];

  /** @internal */
  constructor(raw: RawExecuted, form: Form) {
    const { schema: handle, batches = [] } = raw;
    this.statement = raw.statement ?? "";
    this.object = raw.object ?? "";
    if (handle === undefined) {
      this.batches = [];
    } else {
      const schema = new Schema(handle);
      this.batches = batches.map((batch) => new Batch<T>(schema, batch, form));
    }
    const answered = this.batches.reduce((rows, batch) => rows + batch.numRows, 0);
    this.rowsAffected = raw.rowsAffected ?? answered;
  }

  /**
   * `"ddl"` (CREATE, DROP, ALTER), `"dml"` (INSERT, UPDATE, DELETE), `"query"` (it answered rows), or
   * `"utility"` (all else).
   */
  get resultType(): "ddl" | "dml" | "query" | "utility" {
    if (this.statement === "") return "query";
    switch (this.statement.split(" ")[0]?.toUpperCase()) {
      case "CREATE":
      case "DROP":
      case "ALTER":
        return "ddl";
      case "INSERT":
      case "UPDATE":
      case "DELETE":
        return "dml";
      default:
        return "utility";
    }
  }

  /** The rows of a query as objects. */
  toArray(): T[] {
    return this.batches.flatMap((batch) => batch.toArray());
  }
}
