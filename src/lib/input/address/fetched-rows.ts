import { InferError } from '../../core/errors.js';
import type { ModelSignature } from '../../model/signature.js';
import { bareInput } from '../left-out.js';
import { isFields } from '../wanted.js';
import type { Fetcher } from './fetcher.js';
import { isAddress } from './reach.js';

/** Images that are fetched at once. */
const AT_ONCE = 8;

/** A row of JSON, and its number. */
export interface ParsedRow {
  value: unknown;
  row: number;
}

/** Fetches the images that rows name by their addresses. */
export class ImageAddresses {
  private readonly names: Set<string>;
  private readonly isBare: boolean;

  constructor(
    { inputs }: ModelSignature,
    private readonly fetcher: Fetcher,
  ) {
    this.names = new Set(inputs.flatMap(({ name, role }) => (role === 'image' ? [name] : [])));
    const bare = bareInput({ inputs } as ModelSignature);
    this.isBare = bare !== undefined && inputs[bare]?.role === 'image';
  }

  /**
   * The rows with the bytes of images in place of their addresses, in order, a few ahead of the reader.
   * @throws InferError INPUT_ADDRESS, INPUT_FETCH, INPUT_TOO_LARGE naming `where(row)`
   */
  async *rows(rows: readonly ParsedRow[], where: (row: number) => string): AsyncGenerator<ParsedRow> {
    for (let from = 0; from < rows.length; from += AT_ONCE) {
      const batch = rows.slice(from, from + AT_ONCE).map(async ({ value, row }) => {
        const found = await this.of(value).catch((error: unknown) => {
          throw error instanceof InferError ? error.reworded(`${where(row)}: ${error.message}`) : error;
        });
        return { value: found, row };
      });
      yield* await Promise.all(batch);
    }
  }

  /** A row, a list of rows or an object of named inputs with bytes in place of addresses. */
  async of(value: unknown): Promise<unknown> {
    if (isFields(value)) {
      const names = Object.keys(value).filter((name) => this.names.has(name));
      if (names.length === 0) return value;
      const fields = { ...value };
      for (const name of names) fields[name] = await this.bytes(value[name]);
      return fields;
    }
    if (Array.isArray(value)) {
      const all: unknown[] = [];
      for (const one of value) all.push(await this.of(one));
      return all;
    }
    return this.isBare ? this.bytes(value) : value;
  }

  private async bytes(value: unknown): Promise<unknown> {
    if (typeof value === 'string' && isAddress(value)) return this.fetcher.image(value);
    if (!Array.isArray(value)) return value;
    const all: unknown[] = [];
    for (const one of value) all.push(await this.bytes(one));
    return all;
  }
}
