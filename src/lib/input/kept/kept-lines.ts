import type { CellKind } from '../../output/table/table.js';
import type { ByteReader } from '../bytes.js';
import { malformed } from '../json-document.js';
import { type TextLine, textLines } from '../lines.js';
import { isFields } from '../wanted.js';
import { quoteWideIntegers, wideAsText } from '../wide-integers.js';
import { chosen } from './choose.js';
import type { KeepWish, KeptColumn, KeptRows } from './kept.js';

/** What the values of a field are, over all lines. */
interface FieldKind {
  kind: CellKind;
  depth: number;
}

/** The fields of all lines, in the order in which they first occur: the first reading. */
export async function fieldsOf(reader: ByteReader, maxBytes: number, bare: string): Promise<KeptColumn[]> {
  const fields = new Map<string, FieldKind | undefined>();
  for await (const lines of textLines(reader, maxBytes)) {
    for (const one of lines) {
      for (const [name, value] of Object.entries(rowOf(one, bare))) {
        if (value === null && fields.has(name)) continue;
        fields.set(name, joined(fields.get(name), value));
      }
    }
  }
  return [...fields].map(([name, kind]) => ({ name, ...(kind ?? { kind: 'text', depth: 0 }) }));
}

/** The rows of NDJSON as they are kept; integers of 16 digits and more are text, in all their digits. */
export function keptLines(
  reader: ByteReader,
  all: readonly KeptColumn[],
  bare: string,
  options: KeepWish & { maxBytes: number; json: boolean },
  close: () => Promise<void>,
): KeptRows {
  const names = all.map(({ name }) => name);
  const columns = chosen(names, options, reader.label).map((index) => all[index] as KeptColumn);
  return {
    columns,
    async *batches() {
      for await (const lines of textLines(reader, options.maxBytes)) {
        yield lines.map((line) => {
          const row = rowOf(line, bare);
          // A field that a line does not have is left out of JSON again, and missing elsewhere.
          return columns.map(({ name, kind }) => {
            const value = Object.hasOwn(row, name) ? row[name] : undefined;
            return options.json || kind !== 'json' || value === null || value === undefined
              ? value
              : (JSON.stringify(value) as unknown);
          });
        });
      }
    },
    close,
  };
}

/** A line that is no object holds the value of the model's only input. */
function rowOf({ text, line }: TextLine, bare: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = wideAsText(JSON.parse(quoteWideIntegers(text)));
  } catch {
    throw malformed(text, line);
  }
  return isFields(value) ? value : { [bare]: value };
}

function joined(known: FieldKind | undefined, value: unknown): FieldKind | undefined {
  const found = kindOf(value);
  if (known === undefined || found === undefined) return known ?? found;
  return known.kind === found.kind && known.depth === found.depth ? known : { kind: 'json', depth: 0 };
}

/** Undefined for null and empty lists, which fit any kind. */
function kindOf(value: unknown): FieldKind | undefined {
  if (value === null) return undefined;
  if (Array.isArray(value)) {
    let kind: FieldKind | undefined;
    for (const item of value) kind = joined(kind, item);
    return kind === undefined || kind.kind === 'json' ? kind : { kind: kind.kind, depth: kind.depth + 1 };
  }
  if (typeof value === 'number') return { kind: 'float64', depth: 0 };
  if (typeof value === 'boolean') return { kind: 'boolean', depth: 0 };
  return { kind: typeof value === 'string' ? 'text' : 'json', depth: 0 };
}
