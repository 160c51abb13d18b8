import { badInput, type InferError } from '../core/errors.js';
import { NPY_MAGIC } from '../core/npy-bytes.js';
import { fromHalf, type NumericArray, type NumericType } from '../model/elements.js';
import { ARRAYS } from '../model/layout.js';
import { elementCount } from '../model/tensor.js';
import type { ByteReader } from './bytes.js';
import { shownName } from './wanted.js';

/** The header of NumPy's `.npy` format, versions 1 to 3. */
export interface NpyHeader {
  type: NumericType;
  itemBytes: number;
  bigEndian: boolean;
  fortran: boolean;
  shape: number[];
}

/** NumPy itself refuses longer headers (`max_header_size`); a real one has about 80 bytes. */
const HEADER_MAX = 10_000;
/** NumPy's own limit since version 2; before, it was 32. */
const MOST_AXES = 64;

const TYPES: Record<string, NumericType> = {
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
  i1: 'int8',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
  b1: 'bool',
};

export function npyError(message: string, hint: string): InferError {
  return badInput('INPUT_NPY', message, { hint });
}

function damaged(why: string): InferError {
  return npyError(`the .npy file is damaged: ${why}`, 'write it again with numpy.save');
}

/** Reads the header; `reader` is then at the array. @throws InferError INPUT_NPY (exit 65). */
export async function readNpyHeader(reader: ByteReader): Promise<NpyHeader> {
  const start = await reader.exactly(8);
  const version = start[6];
  if (start.length < 8 || !start.subarray(0, 6).equals(NPY_MAGIC)) {
    throw npyError('this is not an .npy file', 'write it with numpy.save');
  }
  if (version !== 1 && version !== 2 && version !== 3)
    throw damaged(`format version ${version} is not known`);
  const lengthBytes = version === 1 ? 2 : 4;
  const length = await reader.exactly(lengthBytes);
  if (length.length < lengthBytes) throw damaged('it ends inside its header');
  const size = length.readUIntLE(0, lengthBytes);
  if (size > HEADER_MAX) throw damaged(`its header claims ${size} bytes`);
  const header = await reader.exactly(size);
  if (header.length < size) throw damaged('it ends inside its header');
  return parseHeader(header.toString(version === 3 ? 'utf8' : 'latin1'));
}

function parseHeader(text: string): NpyHeader {
  const descr = /'descr'\s*:\s*(?:'([^']*)'|(\[))/.exec(text);
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text);
  const shape = /'shape'\s*:\s*\(([\d,\sL]*)\)/.exec(text);
  if (descr === null || order === null || shape === null)
    throw damaged('its header lacks descr, fortran_order or shape');
  if (descr[2] !== undefined)
    throw npyError('the .npy file holds records (a structured dtype)', 'save one column as a plain array');
  const name = descr[1] as string;
  const parts = /^([<>|=])([a-zA-Z]\d+)$/.exec(name);
  const type = parts === null ? undefined : TYPES[parts[2] as string];
  if (parts === null || type === undefined) {
    throw npyError(
      `the .npy file has dtype ${shownName(name)}, which is not read`,
      'save numbers: array.astype("float32") (read are f2 f4 f8, i1..i8, u1..u8 and bool)',
    );
  }
  const dims = (shape[1] as string)
    .split(',')
    .map((dim) => dim.trim().replace(/L$/, ''))
    .filter((dim) => dim !== '');
  const sizes = dims.map(Number);
  if (sizes.length > MOST_AXES)
    throw damaged(`its shape has ${sizes.length} axes, more than NumPy's ${MOST_AXES}`);
  if (sizes.some((dim) => !Number.isSafeInteger(dim)) || !Number.isSafeInteger(elementCount(sizes) * 8)) {
    throw damaged('its shape is not a list of sizes');
  }
  return {
    type,
    itemBytes: Number((parts[2] as string).slice(1)),
    bigEndian: parts[1] === '>',
    fortran: order[1] === 'True',
    shape: sizes,
  };
}

/** The elements in `bytes`, as numbers for the codecs; copied only if byte order or alignment require it. */
export function npyElements(bytes: Buffer, header: NpyHeader): NumericArray {
  const { itemBytes, type } = header;
  let aligned = bytes;
  if (bytes.byteOffset % itemBytes !== 0 || (header.bigEndian && itemBytes > 1)) {
    aligned = Buffer.allocUnsafeSlow(bytes.length);
    bytes.copy(aligned);
  }
  if (header.bigEndian && itemBytes === 2) aligned.swap16();
  if (header.bigEndian && itemBytes === 4) aligned.swap32();
  if (header.bigEndian && itemBytes === 8) aligned.swap64();
  const View = ARRAYS[type];
  return new View(aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.length / itemBytes);
}

/** float16 bits as numbers. */
export function halvesToFloats(bits: NumericArray): Float32Array {
  return Float32Array.from(bits as Uint16Array, fromHalf);
}
