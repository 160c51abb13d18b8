/** First bytes of every `.npy` file. */
export const NPY_MAGIC = Buffer.from('\x93NUMPY', 'latin1');

const ALIGNED = 64;
/** Magic, version and length of the header. */
const BEFORE_HEADER = 10;

/**
 * What comes before the elements in an `.npy` file of format version 1, row major.
 * @param descr NumPy's name of the element type, with its byte order: `<f4`
 */
export function npyHeader(descr: string, shape: readonly number[]): Buffer {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const whole = Math.ceil((BEFORE_HEADER + text.length + 1) / ALIGNED) * ALIGNED;
  const header = Buffer.alloc(whole, ' ');
  NPY_MAGIC.copy(header);
  header.set([1, 0], NPY_MAGIC.length);
  header.writeUInt16LE(whole - BEFORE_HEADER, NPY_MAGIC.length + 2);
  header.write(text, BEFORE_HEADER, 'latin1');
  header.write('\n', whole - 1, 'latin1');
  return header;
}
