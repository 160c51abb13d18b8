import { isUtf8 } from 'node:buffer';
import type { SchemaElement } from 'hyparquet';
import { fromHalf } from '../../model/elements.js';
import { shortFloat } from '../../model/float-text.js';
import { jsonNumber } from '../../model/rows.js';

/** A stored value as JSON and CSV have it: numbers, text, booleans; nothing of it is lost. */
type Shown = (value: unknown) => unknown;

const DAY_MS = 86_400_000;
/** Units of a second, as digits after the point. */
const MILLIS = 3;
const MICROS = 6;
const NANOS = 9;

/** How values that were read as they are stored are shown, by the type of their column. */
export function shownAs(element: SchemaElement): Shown {
  const one = ofElement(element);
  const deep: Shown = (value) =>
    Array.isArray(value) ? value.map(deep) : value === null || value === undefined ? null : one(value);
  return deep;
}

function ofElement(element: SchemaElement): Shown {
  const { type, converted_type: converted, logical_type: logical, scale = 0 } = element;
  if (converted === 'DECIMAL' || logical?.type === 'DECIMAL') {
    const places = logical?.type === 'DECIMAL' ? logical.scale : scale;
    return (value) => decimalText(unscaled(value), places);
  }
  if (type === 'INT96') return (value) => timeText(value as bigint, NANOS, 'Z');
  if (converted === 'DATE' || logical?.type === 'DATE')
    return (value) => new Date(Number(value) * DAY_MS).toISOString().slice(0, 10);
  const time = timeOf(element);
  if (time !== undefined) return time;
  const isUnsigned =
    (logical?.type === 'INTEGER' && !logical.isSigned) || converted?.startsWith('UINT_') === true;
  if (type === 'INT64')
    return (value) => jsonNumber(isUnsigned ? BigInt.asUintN(64, value as bigint) : (value as bigint));
  if (type === 'INT32' && isUnsigned) return (value) => (value as number) >>> 0;
  if (type === 'FLOAT') return (value) => jsonNumber(shortFloat(value as number));
  if (type === 'DOUBLE') return (value) => jsonNumber(value as number);
  if (logical?.type === 'FLOAT16') {
    return (value) => {
      const [low = 0, high = 0] = value as Uint8Array;
      return jsonNumber(fromHalf(low | (high << 8)));
    };
  }
  if (logical?.type === 'UUID') return (value) => uuidText(Buffer.from(value as Uint8Array).toString('hex'));
  return (value) => (value instanceof Uint8Array ? bytesText(value) : value);
}

/** Text if the bytes are UTF-8, as writers that name no type mean them; else base64. */
function bytesText(value: Uint8Array): string {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return bytes.toString(isUtf8(bytes) ? 'utf8' : 'base64');
}

function uuidText(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function unscaled(value: unknown): bigint {
  if (!(value instanceof Uint8Array)) return BigInt(value as number | bigint);
  const hex = Buffer.from(value).toString('hex');
  return hex === '' ? 0n : BigInt.asIntN(value.length * 8, BigInt(`0x${hex}`));
}

function decimalText(value: bigint, scale: number): string {
  if (scale <= 0) return value.toString();
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, '0');
  return `${value < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

function timeOf({ converted_type: converted, logical_type: logical }: SchemaElement): Shown | undefined {
  if (logical?.type === 'TIMESTAMP' || logical?.type === 'TIME') {
    const places = logical.unit === 'NANOS' ? NANOS : logical.unit === 'MICROS' ? MICROS : MILLIS;
    // A time without a zone stays without one.
    const zone = logical.isAdjustedToUTC ? 'Z' : '';
    return logical.type === 'TIME'
      ? (value) => clockText(BigInt(value as number | bigint), places)
      : (value) => timeText(value as bigint, places, zone);
  }
  if (converted === 'TIMESTAMP_MILLIS') return (value) => timeText(value as bigint, MILLIS, 'Z');
  if (converted === 'TIMESTAMP_MICROS') return (value) => timeText(value as bigint, MICROS, 'Z');
  if (converted === 'TIME_MILLIS') return (value) => clockText(BigInt(value as number), MILLIS);
  if (converted === 'TIME_MICROS') return (value) => clockText(value as bigint, MICROS);
  return undefined;
}

/** ISO 8601 with all digits of the unit: a Date holds milliseconds only. */
function timeText(units: bigint, places: number, zone: string): string {
  const perSecond = 10n ** BigInt(places);
  const fraction = ((units % perSecond) + perSecond) % perSecond;
  const seconds = (units - fraction) / perSecond;
  const date = new Date(Number(seconds) * 1000);
  // Beyond the years that a Date has.
  if (Number.isNaN(date.getTime())) return units.toString();
  return `${date.toISOString().slice(0, -5)}.${fraction.toString().padStart(places, '0')}${zone}`;
}

function clockText(units: bigint, places: number): string {
  return timeText(units, places, '').slice(11);
}
