type Field = string | number | Uint8Array;

/**
 * Fields as one script argument: their byte lengths (uint32, little endian) and then their bytes.
 * Fifteen arguments a job cost client and server more than the script's own work: each is a chunk to
 * write, a line to parse and an object to make. The scripts read it with `struct.unpack`.
 */
export function packFields(fields: readonly Field[]): Buffer {
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
