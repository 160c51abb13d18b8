import { InferError } from '../../core/errors.js';
import type { ModelSignature } from '../../model/signature.js';
import { tooLarge } from '../bytes.js';
import { bareInput } from '../left-out.js';
import { isFields } from '../wanted.js';
import type { Fetcher } from './fetcher.js';
import { isAddress } from './reach.js';

/** Images that are fetched at once. */
const AT_ONCE = 8;
/** Most bytes of the images that a JSON document names: without a limit, a short document could take all memory. */
const MOST_HELD = 512 * 1024 * 1024;

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
    signature: ModelSignature,
    private readonly fetcher: Fetcher,
    private readonly mostHeld = MOST_HELD,
  ) {
    const { inputs } = signature;
    this.names = new Set(inputs.flatMap(({ name, role }) => (role === 'image' ? [name] : [])));
    const bare = bareInput(signature);
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

  /** A row with bytes in place of addresses. */
  private async of(value: unknown): Promise<unknown> {
    const files: Buffer[] = [];
    for (const address of this.addressesOf(value)) files.push(await this.fetcher.image(address));
    return this.filled(value, files);
  }

  /**
   * A JSON document, which is held whole, with bytes in place of addresses.
   * @throws InferError INPUT_TOO_LARGE where they are too many to be held; INPUT_ADDRESS, INPUT_FETCH.
   */
  async document(value: unknown): Promise<unknown> {
    const addresses = this.addressesOf(value);
    const files: Buffer[] = [];
    let bytes = 0;
    for (let from = 0; from < addresses.length; from += AT_ONCE) {
      const batch = addresses.slice(from, from + AT_ONCE);
      for (const file of await Promise.all(batch.map((address) => this.fetcher.image(address)))) {
        files.push(file);
        bytes += file.length;
      }
      if (bytes > this.mostHeld) throw tooLarge('the images of the JSON document', this.mostHeld);
    }
    return this.filled(value, files);
  }

  private addressesOf(value: unknown): string[] {
    const found: string[] = [];
    this.replaced(value, (address) => found.push(address));
    return found;
  }

  private filled(value: unknown, files: readonly Buffer[]): unknown {
    let next = 0;
    return this.replaced(value, () => files[next++]);
  }

  /** A row, a list of rows or an object of named inputs with something else in place of addresses, in order. */
  private replaced(value: unknown, by: (address: string) => unknown): unknown {
    if (isFields(value)) {
      const names = Object.keys(value).filter((name) => this.names.has(name));
      if (names.length === 0) return value;
      const fields = { ...value };
      for (const name of names) fields[name] = inColumn(value[name], by);
      return fields;
    }
    if (Array.isArray(value)) return value.map((one) => this.replaced(one, by));
    return this.isBare ? inColumn(value, by) : value;
  }
}

function inColumn(value: unknown, by: (address: string) => unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => inColumn(one, by));
  return typeof value === 'string' && isAddress(value) ? by(value) : value;
}
