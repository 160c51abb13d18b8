/**
 * Shortest decimal forms of float32, the same digits as `toPrecision` finds with 7, 8 or 9 places, without
 * text in between. With `toPrecision`, `Number` and `JSON.stringify` a number took 450 ns here; as bytes it
 * takes 75 to 100 ns.
 */

/** Powers of ten that a double holds exactly. */
const POWERS = Float64Array.from({ length: 23 }, (_, at) => Number(`1e${at}`));
/** Sizes from and below which every factor that is used is one of `POWERS`. */
const LEAST = 1e-13;
const LIMIT = 1e21;
/**
 * A product of fewer than 10 digits is wrong by at most 6e-8. Where it is closer to a half than that, its
 * rounding is not certain, and `toPrecision` decides.
 */
const CERTAIN = 0.4999999;
/** IEEE 754: 9 digits identify every float32, and 7 most of them. */
const FEW_DIGITS = 7;
const MOST_DIGITS = 9;

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);
/** By binary exponent: decimal places that give a number of that size 7 digits before the point, or 8. */
const PLACES = Int8Array.from({ length: 256 }, (_, exponent) =>
  Math.max(-128, Math.min(127, FEW_DIGITS - 1 - Math.floor((exponent - 127) * Math.log10(2)))),
);

/** What `digitsOf` found: the number is `found.digits / 10 ** found.places`. */
const found = { digits: 0, places: 0 };

/** Finds the shortest decimal of a float32 from `LEAST` to below `LIMIT`; false where it is not certain. */
function digitsOf(size: number): boolean {
  float[0] = size;
  let places = PLACES[(bits[0] as number) >>> 23] as number;
  let scaled = times(size, places);
  if (scaled >= 1e7) {
    places -= 1;
    scaled = times(size, places);
  }
  for (let count = FEW_DIGITS; ; count++) {
    const digits = Math.floor(scaled + 0.5);
    const rest = scaled - digits;
    if (rest > CERTAIN || rest < -CERTAIN) return false;
    if (count === MOST_DIGITS || Math.fround(times(digits, -places)) === size) {
      found.digits = digits;
      found.places = places;
      return true;
    }
    places += 1;
    scaled = times(size, places);
  }
}

/** `value * 10 ** places`, rounded once. */
function times(value: number, places: number): number {
  return places >= 0 ? value * (POWERS[places] as number) : value / (POWERS[-places] as number);
}

/** The shortest decimal that identifies this float32: 7 digits mostly, 9 always (IEEE 754). */
export function shortFloat(value: number): number {
  const size = value < 0 ? -value : value;
  if (!(size >= LEAST && size < LIMIT && digitsOf(size))) return slowly(value);
  // Both are exact, so their quotient is the double nearest to the decimal.
  const short = times(found.digits, -found.places);
  return value < 0 ? -short : short;
}

function slowly(value: number): number {
  if (value === 0 || !Number.isFinite(value)) return value;
  for (let digits = FEW_DIGITS; digits < MOST_DIGITS; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(MOST_DIGITS));
}

const MINUS = 45;
const POINT = 46;
const COMMA = 44;
const ZERO = 48;
const OPEN = 91;
const CLOSE = 93;
const EXPONENT = 101;
/** JavaScript writes numbers of this size and below with an exponent, and from `LIMIT` on. */
const PLAIN_LEAST = 1e-6;

/** Bytes gathered before they become text, and how many one number and its brackets may need. */
const GATHERED = 65_536;
const ONE = 96;
/** Created at the first use: commands that write no floats need none. */
let scratch: Uint8Array | undefined;

/** How zeros with a sign are written: JavaScript drops the sign. */
export type NegativeZero = '0' | '-0.0';

/** The numbers as JSON, separated by commas; NaN and infinities as text. */
export function floatsText(values: Float32Array, negativeZero: NegativeZero = '0'): string {
  return nestedFloatsText(values, [values.length], 0, negativeZero).slice(1, -1);
}

/**
 * Numbers from element `from` on as nested arrays of a shape, or as a bare number for `[]`: the same text as
 * `JSON.stringify` of their shortest forms.
 */
export function nestedFloatsText(
  values: Float32Array,
  shape: readonly number[],
  from: number,
  negativeZero: NegativeZero = '0',
): string {
  scratch ??= Buffer.allocUnsafeSlow(GATHERED);
  const out = scratch;
  const innermost = shape.length - 1;
  let text = '';
  let at = 0;
  let next = from;
  const room = (): void => {
    if (at < GATHERED - ONE) return;
    text += textOf(out, at);
    at = 0;
  };
  const write = (axis: number): void => {
    if (axis > innermost) {
      at = putFloat(out, at, values[next++] as number, negativeZero);
      return;
    }
    const length = shape[axis] as number;
    out[at++] = OPEN;
    for (let i = 0; i < length; i++) {
      if (i > 0) out[at++] = COMMA;
      room();
      if (axis === innermost) at = putFloat(out, at, values[next++] as number, negativeZero);
      else write(axis + 1);
    }
    out[at++] = CLOSE;
    room();
  };
  write(0);
  return text + textOf(out, at);
}

function textOf(out: Uint8Array, end: number): string {
  return Buffer.from(out.buffer, out.byteOffset, end).toString('latin1');
}

/** Writes a number at `at`; returns where the next byte goes. */
function putFloat(out: Uint8Array, start: number, value: number, negativeZero: NegativeZero): number {
  let at = start;
  let size = value;
  if (value < 0) {
    size = -value;
    out[at++] = MINUS;
  }
  if (size >= LEAST && size < LIMIT && digitsOf(size)) return putDigits(out, at, size);
  return putText(out, start, rareText(value, negativeZero));
}

function rareText(value: number, negativeZero: NegativeZero): string {
  if (value === 0) return Object.is(value, -0) ? negativeZero : '0';
  return Number.isFinite(value) ? `${slowly(value)}` : `"${value}"`;
}

/** Writes what `digitsOf` found, as JavaScript writes numbers. */
function putDigits(out: Uint8Array, start: number, size: number): number {
  let at = start;
  let digits = found.digits | 0;
  let { places } = found;
  for (let shorter = (digits / 10) | 0; shorter * 10 === digits; shorter = (digits / 10) | 0) {
    digits = shorter;
    places -= 1;
  }
  if (places <= 0) {
    at = putWhole(out, at, digits);
    for (; places < 0; places++) out[at++] = ZERO;
    return at;
  }
  if (size < PLAIN_LEAST && times(digits, -places) < PLAIN_LEAST) {
    const after = lengthOf(digits) - 1;
    at = putPointed(out, at, digits, after);
    out[at++] = EXPONENT;
    out[at++] = MINUS;
    return putWhole(out, at, places - after);
  }
  return putPointed(out, at, digits, places);
}

/** `digits / 10 ** places`. */
function putPointed(out: Uint8Array, start: number, digits: number, places: number): number {
  let at = start;
  if (places === 0) return putWhole(out, at, digits);
  const unit = POWERS[places] as number;
  let rest = digits;
  if (digits < unit) out[at++] = ZERO;
  else {
    const whole = (digits / unit) | 0;
    rest = digits - whole * unit;
    at = putWhole(out, at, whole);
  }
  out[at++] = POINT;
  return putPadded(out, at, rest, places);
}

function putWhole(out: Uint8Array, at: number, whole: number): number {
  return putPadded(out, at, whole, lengthOf(whole));
}

/** The last `count` digits of a whole number, with zeros in front. */
function putPadded(out: Uint8Array, at: number, whole: number, count: number): number {
  let rest = whole | 0;
  for (let i = at + count - 1; i >= at; i--) {
    const shorter = (rest / 10) | 0;
    out[i] = ZERO + rest - shorter * 10;
    rest = shorter;
  }
  return at + count;
}

/** Decimal digits of a whole number up to 10 ** 10. */
function lengthOf(whole: number): number {
  let length = 1;
  while (length < 10 && whole >= (POWERS[length] as number)) length += 1;
  return length;
}

function putText(out: Uint8Array, start: number, text: string): number {
  for (let i = 0; i < text.length; i++) out[start + i] = text.charCodeAt(i);
  return start + text.length;
}
