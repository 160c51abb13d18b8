import { type NumberArray, type TensorData, toElements } from './layout.js';
import { type DataType, encodeStrings } from './tensor.js';

export type NumericArray = NumberArray;

/** Every type except `string`, whose elements have no fixed size. */
export type NumericType = Exclude<DataType, 'string'>;

/** Turns checked values into the bytes of one element type. */
export interface ElementCodec {
  /** Zeroed memory for `count` elements. float16 is stored as its bits. */
  allocate(count: number): NumericArray;
  /**
   * Writes `values` starting at element `at`; returns -1, or the index of the first refused value. Floats
   * that are not finite are accepted as the texts of `NOT_FINITE` and, with `exact`, as numbers too.
   */
  write(target: NumericArray, at: number, values: ArrayLike<unknown>, exact?: boolean): number;
}

/**
 * The notation of floats without a JSON number, in input and results: the JSON mapping of Protocol Buffers,
 * which also writes 64-bit integers as text.
 */
export const NOT_FINITE: ReadonlyMap<unknown, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

/** The smallest double that rounds to infinity as a float32: the largest float32 plus half a step. */
const FLOAT32_OVERFLOW = 3.4028235677973366e38;
/** The same for float16: 65504 + 16. */
const FLOAT16_OVERFLOW = 65520;

/** bigint comes from 64-bit arrays; converted to a number only if that is exact. */
function exactNumber(value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** A value as a float below `overflow` in size, or a non-finite one; undefined when it is refused. */
function realNumber(value: unknown, overflow: number, exact = false): number | undefined {
  const number = exactNumber(value);
  if (typeof number !== 'number') return NOT_FINITE.get(number);
  if (Math.abs(number) < overflow) return number;
  return exact && !Number.isFinite(number) ? number : undefined;
}

/** Separate from the others, with its own loop: nearly every model takes float32; 64 elements take 0.1 µs. */
const float32: ElementCodec = {
  allocate: (count) => new Float32Array(count),
  write(target, at, values, exact) {
    const length = values.length;
    for (let i = 0; i < length; i++) {
      const value = values[i];
      if (typeof value === 'number' && Math.abs(value) < FLOAT32_OVERFLOW) target[at + i] = value;
      else {
        const number = realNumber(value, FLOAT32_OVERFLOW, exact);
        if (number === undefined) return i;
        target[at + i] = number;
      }
    }
    return -1;
  },
};

const float64: ElementCodec = {
  allocate: (count) => new Float64Array(count),
  write(target, at, values, exact) {
    for (let i = 0; i < values.length; i++) {
      const number = realNumber(values[i], Number.POSITIVE_INFINITY, exact);
      if (number === undefined) return i;
      target[at + i] = number;
    }
    return -1;
  },
};

/** Inclusive bounds of the integer types that fit in a number exactly. */
export const INTEGER_BOUNDS: Partial<Record<DataType, [min: number, max: number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-2147483648, 2147483647],
  uint32: [0, 4294967295],
};

function integers(type: NumericType, allocate: (count: number) => NumericArray): ElementCodec {
  const [min, max] = INTEGER_BOUNDS[type] as [number, number];
  return {
    allocate,
    write(target, at, values) {
      for (let i = 0; i < values.length; i++) {
        const value = exactNumber(values[i]);
        if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) return i;
        target[at + i] = value;
      }
      return -1;
    },
  };
}

const DECIMAL = /^-?\d{1,20}$/;
const WIDE_BOUNDS = {
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
} as const;

/** An exact 64-bit integer: a safe number, a bigint or decimal text; undefined for anything else. */
function wideInteger(value: unknown, type: 'int64' | 'uint64'): bigint | undefined {
  let wide: bigint;
  if (typeof value === 'bigint') wide = value;
  else if (typeof value === 'number' && Number.isSafeInteger(value)) wide = BigInt(value);
  else if (typeof value === 'string' && DECIMAL.test(value)) wide = BigInt(value);
  else return undefined;
  const [min, max] = WIDE_BOUNDS[type];
  return wide >= min && wide <= max ? wide : undefined;
}

function wides(type: 'int64' | 'uint64', allocate: (count: number) => NumericArray): ElementCodec {
  return {
    allocate,
    write(target, at, values) {
      for (let i = 0; i < values.length; i++) {
        const wide = wideInteger(values[i], type);
        if (wide === undefined) return i;
        (target as BigInt64Array)[at + i] = wide;
      }
      return -1;
    },
  };
}

const float16: ElementCodec = {
  allocate: (count) => new Uint16Array(count),
  write(target, at, values, exact) {
    for (let i = 0; i < values.length; i++) {
      const number = realNumber(values[i], FLOAT16_OVERFLOW, exact);
      if (number === undefined) return i;
      target[at + i] = toHalf(number);
    }
    return -1;
  },
};

const bool: ElementCodec = {
  allocate: (count) => new Uint8Array(count),
  write(target, at, values) {
    for (let i = 0; i < values.length; i++) {
      const value = exactNumber(values[i]);
      if (value !== true && value !== false && value !== 0 && value !== 1) return i;
      target[at + i] = Number(value);
    }
    return -1;
  },
};

export const CODECS: Record<NumericType, ElementCodec> = {
  float32,
  float64,
  float16,
  int8: integers('int8', (count) => new Int8Array(count)),
  uint8: integers('uint8', (count) => new Uint8Array(count)),
  int16: integers('int16', (count) => new Int16Array(count)),
  uint16: integers('uint16', (count) => new Uint16Array(count)),
  int32: integers('int32', (count) => new Int32Array(count)),
  uint32: integers('uint32', (count) => new Uint32Array(count)),
  int64: wides('int64', (count) => new BigInt64Array(count)),
  uint64: wides('uint64', (count) => new BigUint64Array(count)),
  bool,
};

const halfScratch = new DataView(new ArrayBuffer(8));

/**
 * The bits of the float16 nearest to a number (ties to even), |value| < 65520 where it is finite. Rounds
 * once, from the double: via float32, a tie could be rounded twice.
 */
export function toHalf(value: number): number {
  halfScratch.setFloat64(0, value);
  const sign = (halfScratch.getUint16(0) >> 15) << 15;
  const size = Math.abs(value);
  if (size === 0) return sign;
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 0x7e00 : sign | 0x7c00;
  const exponent = Math.max(-14, ((halfScratch.getUint16(0) >> 4) & 0x7ff) - 1023);
  // In steps of the last mantissa bit (10 bits); scaling by a power of two is exact.
  const steps = size * 2 ** (10 - exponent);
  const floor = Math.floor(steps);
  const rest = steps - floor;
  const rounded = floor + (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? 1 : 0);
  // `rounded` includes the implicit bit (1024) of normal numbers, and a carry increments the exponent.
  return sign | (((exponent + 14) << 10) + rounded);
}

/** The number represented by float16 bits. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  if (exponent === 0x1f) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

/**
 * The elements of little-endian bytes as returned by `toElements`, but float16 as numbers instead of bits.
 */
export function toNumbers(type: DataType, bytes: Uint8Array): TensorData {
  const elements = toElements(type, bytes);
  return type === 'float16' ? Float32Array.from(elements as Uint16Array, fromHalf) : elements;
}

/** True when a typed array already contains elements of `type`; Uint16Array contains float16 as bits. */
export function holdsType(array: unknown, type: NumericType): array is NumericArray {
  if (!ArrayBuffer.isView(array)) return false;
  const kind = Object.prototype.toString.call(array).slice(8, -1);
  return KINDS[type].includes(kind);
}

const KINDS: Record<NumericType, string[]> = {
  float32: ['Float32Array'],
  float64: ['Float64Array'],
  float16: ['Uint16Array', 'Float16Array'],
  int8: ['Int8Array'],
  uint8: ['Uint8Array', 'Uint8ClampedArray'],
  int16: ['Int16Array'],
  uint16: ['Uint16Array'],
  int32: ['Int32Array'],
  uint32: ['Uint32Array'],
  int64: ['BigInt64Array'],
  uint64: ['BigUint64Array'],
  bool: ['Uint8Array'],
};

/**
 * Index of the first element of a typed array that is invalid for `type` (NaN, infinity, a bool of 2), or -1.
 */
export function firstRefused(array: NumericArray, type: NumericType): number {
  if (type === 'float32' || type === 'float64') {
    const floats = array as Float32Array;
    for (let i = 0; i < floats.length; i++) if (!Number.isFinite(floats[i])) return i;
  } else if (type === 'float16') {
    // Elements of a Float16Array are numbers; the check needs the bits.
    const bits =
      array instanceof Uint16Array ? array : new Uint16Array(array.buffer, array.byteOffset, array.length);
    for (let i = 0; i < bits.length; i++) if (((bits[i] as number) & 0x7c00) === 0x7c00) return i;
  } else if (type === 'bool') {
    for (let i = 0; i < array.length; i++) if ((array[i] as number) > 1) return i;
  }
  return -1;
}

/**
 * Writes a flat list; a typed array of the same type is copied as bytes. Returns -1 or the index of the first
 * refused value.
 */
export function writeElements(
  codec: ElementCodec,
  type: NumericType,
  target: NumericArray,
  at: number,
  values: ArrayLike<unknown>,
  exact?: boolean,
): number {
  if (Array.isArray(values)) return codec.write(target, at, values, exact);
  if (!holdsType(values, type)) return codec.write(target, at, values);
  const bits =
    values.constructor === target.constructor
      ? values
      : new (target.constructor as Uint16ArrayConstructor)(
          values.buffer as ArrayBuffer,
          values.byteOffset,
          values.length,
        );
  const refused = firstRefused(bits, type);
  if (refused < 0) (target as Uint8Array).set(bits as Uint8Array, at);
  return refused;
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/** Index of the first element that is not valid UTF-8 text without NUL, or -1. */
export function firstBadText(values: ArrayLike<unknown>): number {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value !== 'string' || value.includes('\0') || LONE_SURROGATE.test(value)) return i;
  }
  return -1;
}

/**
 * The bytes of a flat list of one type, or the index of the first refused element. A typed array of that type
 * is not copied.
 */
export function encodeElements(
  type: DataType,
  flat: ArrayLike<unknown>,
  exact?: boolean,
): { data: Uint8Array } | { refused: number } {
  if (type === 'string') {
    const refused = firstBadText(flat);
    return refused < 0 ? { data: encodeStrings(Array.from(flat as ArrayLike<string>)) } : { refused };
  }
  if (!Array.isArray(flat) && holdsType(flat, type)) {
    const refused = firstRefused(flat, type);
    return refused < 0 ? { data: bytesOf(flat, flat.length) } : { refused };
  }
  const codec = CODECS[type];
  const storage = codec.allocate(flat.length);
  const refused = codec.write(storage, 0, flat, exact && Array.isArray(flat));
  return refused < 0 ? { data: bytesOf(storage, flat.length) } : { refused };
}

/** The bytes of the first `elements` of a typed array, uncopied. */
export function bytesOf(array: NumericArray, elements: number): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, elements * array.BYTES_PER_ELEMENT);
}
