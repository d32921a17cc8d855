/** The columns of a source or a result. */

import { native, type Kind, type SchemaHandle } from "./native.js";

/** A column's name and type. */
export interface Field {
  /** Its name. */
  readonly name: string;
  /** Its type as SQL writes it: `"BIGINT"`, `"TIMESTAMP(3)"`, `"VARCHAR[]"`. */
  readonly type: string;
  /** Whether it may hold null. */
  readonly nullable: boolean;
}

/** A field with how its values cross. */
export interface CrossingField extends Field {
  readonly kind: Kind;
  readonly perSecond: number | undefined;
}

/** The columns of a source or a result, in order. */
export class Schema {
  /** @internal */
  readonly handle: SchemaHandle;
  /** The columns. */
  readonly fields: readonly Field[];
  /** @internal */
  readonly crossing: readonly CrossingField[];
  readonly #places = new Map<string, number>();

  /** @internal */
  constructor(handle: SchemaHandle) {
    this.handle = handle;
    this.crossing = native.fields(handle);
    const fields = this.crossing.map(({ name, type, nullable }) => ({ name, type, nullable }));
    this.fields = Object.freeze(fields.map((field) => Object.freeze(field)));
    this.fields.forEach(({ name }, index) => {
      if (!this.#places.has(name)) this.#places.set(name, index);
    });
  }

  /** The names of the columns. */
  get names(): string[] {
    return this.fields.map((field) => field.name);
  }

  /** The place of a column by its name; -1 when there is none. */
  indexOf(name: string): number {
    return this.#places.get(name) ?? -1;
  }
}
