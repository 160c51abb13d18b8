import { SETTLE_FIELDS, type SettleField } from '../wire.js';

export type PackedField = string | number | Uint8Array;

export type SettleFields = Readonly<Record<SettleField, PackedField>>;

/**
 * Packs a settlement of one job into one script argument: the byte lengths of its fields (uint32, little
 * endian), then their bytes. One argument per field cost client and server more than the script's own work:
 * each is a chunk to write, a line to parse and an object to create. The scripts read it with
 * `struct.unpack`.
 */
export function packSettle(fields: SettleFields): Buffer {
  return pack(SETTLE_FIELDS.map((name) => fields[name]));
}

function pack(fields: readonly PackedField[]): Buffer {
  const texts = fields.map((field) => (typeof field === 'number' ? String(field) : field));
  const sizes = texts.map((text) => (typeof text === 'string' ? Buffer.byteLength(text) : text.byteLength));
  const head = 4 * fields.length;
  const bytes = Buffer.allocUnsafe(sizes.reduce((sum, size) => sum + size, head));
  let at = head;
  for (const [i, text] of texts.entries()) {
    bytes.writeUInt32LE(sizes[i] as number, 4 * i);
    if (typeof text === 'string') bytes.write(text, at);
    else bytes.set(text, at);
    at += sizes[i] as number;
  }
  return bytes;
}
