import { describe, expect, it } from 'vitest';
import { openBytes } from '../../../src/lib/input/bytes.js';
import { type NpyHeader, npyElements, readNpyHeader } from '../../../src/lib/input/npy-header.js';
import { failure, stream } from './signatures.js';

const MAGIC = '\x93NUMPY';

/** A file with this text as its header. */
function file(text: string, version = 1, claimed?: number): Buffer {
  const body = Buffer.from(text, version === 3 ? 'utf8' : 'latin1');
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  length.writeUIntLE(claimed ?? body.length, 0, length.length);
  return Buffer.concat([Buffer.from(MAGIC, 'latin1'), Buffer.of(version, 0), length, body]);
}

const headerOf = async (bytes: Buffer): Promise<NpyHeader> => {
  const reader = await openBytes({ stdin: stream(bytes) });
  try {
    return await readNpyHeader(reader);
  } finally {
    await reader.close();
  }
};
const refusal = async (bytes: Buffer) => {
  const { code, message, hint } = await failure(() => headerOf(bytes));
  return [code, message, hint];
};
const text = (descr = "'<f4'", order = 'False', shape = '(2, 3)') =>
  `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }`;

describe('the header of an .npy file', () => {
  it.each<[string, string, Partial<NpyHeader>]>([
    [
      'little endian',
      text(),
      { type: 'float32', itemBytes: 4, bigEndian: false, fortran: false, shape: [2, 3] },
    ],
    ['big endian', text("'>i8'"), { type: 'int64', itemBytes: 8, bigEndian: true }],
    ['the order of this machine', text("'=u2'"), { type: 'uint16', itemBytes: 2, bigEndian: false }],
    ['bytes', text("'|b1'"), { type: 'bool', itemBytes: 1 }],
    ['Fortran order', text("'<f8'", 'True'), { type: 'float64', fortran: true }],
    ['no axis', text("'<f4'", 'False', '()'), { shape: [] }],
    ['one axis', text("'<f4'", 'False', '(7,)'), { shape: [7] }],
    ['sizes of Python 2', text("'<f4'", 'False', '(2L, 3L)'), { shape: [2, 3] }],
    ['an axis of no rows', text("'<f4'", 'False', '(0, 3)'), { shape: [0, 3] }],
    ['64 axes', text("'<f4'", 'False', `(${'1, '.repeat(64)})`), { shape: Array(64).fill(1) }],
    ['no spaces', "{'descr':'<f4','fortran_order':False,'shape':(2,3)}", { type: 'float32', shape: [2, 3] }],
    [
      'spaces everywhere',
      "{ 'descr' :  '<f4' , 'fortran_order' :  True , 'shape' :  ( 2 , 3 ) }",
      { type: 'float32', fortran: true, shape: [2, 3] },
    ],
    [
      'another order of its fields',
      "{'shape': (4,), 'fortran_order': False, 'descr': '<i4'}",
      { type: 'int32', shape: [4] },
    ],
  ])('with %s', async (_, header, expected) => {
    for (const version of [1, 2, 3]) expect(await headerOf(file(header, version))).toMatchObject(expected);
  });

  it('of version 3 is UTF-8, of the others Latin-1', async () => {
    const named = "{'descr': '<ß', 'fortran_order': False, 'shape': (1,)}";
    const found = async (version: number) => (await refusal(file(named, version)))[1];
    expect(await found(3)).toContain('dtype <ß');
    expect(await found(1)).toContain('dtype <ß');
    expect(await found(2)).toContain('dtype <ß');
  });

  const AGAIN = 'write it again with numpy.save';
  const damaged = (why: string) => ['INPUT_NPY', `the .npy file is damaged: ${why}`, AGAIN];
  const absent = damaged('its header lacks descr, fortran_order or shape');
  it.each<[string, Buffer, string[]]>([
    [
      'of another format',
      Buffer.from('\x93NUMPX\x01\x00 and more of it', 'latin1'),
      ['INPUT_NPY', 'this is not an .npy file', 'write it with numpy.save'],
    ],
    [
      'that ends inside its magic',
      Buffer.from(MAGIC, 'latin1'),
      ['INPUT_NPY', 'this is not an .npy file', 'write it with numpy.save'],
    ],
    ['of an unknown version', file(text(), 4), damaged('format version 4 is not known')],
    ['that ends inside its length', file(text()).subarray(0, 9), damaged('it ends inside its header')],
    ['that ends inside its header', file(text()).subarray(0, 40), damaged('it ends inside its header')],
    ['that claims too much', file(text(), 2, 10_001), damaged('its header claims 10001 bytes')],
    ['that claims the maximum', file(text(), 2, 10_000), damaged('it ends inside its header')],
    ['without a type', file("{'fortran_order': False, 'shape': (1,)}"), absent],
    ['without an order', file("{'descr': '<f4', 'shape': (1,)}"), absent],
    ['without a shape', file("{'descr': '<f4', 'fortran_order': False}"), absent],
    [
      'with 65 axes',
      file(text("'<f4'", 'False', `(${'1, '.repeat(65)})`)),
      damaged("its shape has 65 axes, more than NumPy's 64"),
    ],
    [
      'with a size that is not a number',
      file(text("'<f4'", 'False', '(2 3,)')),
      damaged('its shape is not a list of sizes'),
    ],
    [
      'with a size that is too large',
      file(text("'<f4'", 'False', '(9007199254740993, 1)')),
      damaged('its shape is not a list of sizes'),
    ],
    [
      'with too many elements to count',
      file(text("'<f4'", 'False', '(4000000000, 4000000000)')),
      damaged('its shape is not a list of sizes'),
    ],
    [
      'with records',
      file(text("[('a', '<f4')]")),
      ['INPUT_NPY', 'the .npy file holds records (a structured dtype)', 'save one column as a plain array'],
    ],
    ...["'<f16'", "'<U8'", "'x<f4'", "'<f4x'", "'f4'"].map((descr): [string, Buffer, string[]] => [
      `of type ${descr}`,
      file(text(descr)),
      [
        'INPUT_NPY',
        `the .npy file has dtype ${descr.slice(1, -1)}, which is not read`,
        'save numbers: array.astype("float32") (read are f2 f4 f8, i1..i8, u1..u8 and bool)',
      ],
    ]),
  ])('is refused %s', async (_, bytes, expected) => {
    expect(await refusal(bytes)).toEqual(expected);
  });
});

describe('the elements of an array', () => {
  const header = (itemBytes: number, bigEndian: boolean): NpyHeader => ({
    type: { 1: 'uint8', 2: 'uint16', 4: 'uint32', 8: 'uint64' }[itemBytes] as NpyHeader['type'],
    itemBytes,
    bigEndian,
    fortran: false,
    shape: [1],
  });

  it.each([1, 2, 4, 8])('of %i bytes are right at any offset, in both byte orders', (itemBytes) => {
    const value = 0x0102030405060708n & ((1n << BigInt(itemBytes * 8)) - 1n);
    for (let offset = 0; offset < 8; offset++) {
      for (const bigEndian of [false, true]) {
        const memory = Buffer.alloc(offset + itemBytes);
        for (let i = 0; i < itemBytes; i++) {
          const at = bigEndian ? itemBytes - 1 - i : i;
          memory[offset + at] = Number((value >> BigInt(8 * i)) & 0xffn);
        }
        const before = Buffer.from(memory);
        const elements = npyElements(memory.subarray(offset), header(itemBytes, bigEndian));
        expect([...elements].map(BigInt), `${offset} ${bigEndian}`).toEqual([value]);
        // The buffer that was read may be reused.
        expect(memory.equals(before)).toBe(true);
      }
    }
  });

  it('share the memory that was read if nothing has to change', () => {
    const memory = Buffer.alloc(16);
    const shares = (offset: number, itemBytes: number, bigEndian = false) =>
      npyElements(memory.subarray(offset, offset + 8), header(itemBytes, bigEndian)).buffer === memory.buffer;
    expect([shares(0, 4), shares(4, 4), shares(8, 8), shares(3, 1), shares(3, 1, true)]).toEqual(
      Array(5).fill(true),
    );
    expect([shares(2, 4), shares(4, 8), shares(0, 4, true)]).toEqual(Array(3).fill(false));
  });
});
