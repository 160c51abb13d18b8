import { messageOf } from '../core/errors.js';

const REFUSED =
  /\bWRONGTYPE\b|\bDAMAGED\b|is not an integer|not a valid float|not a float|would overflow|bad argument|attempt to (?:perform|index|compare|concatenate|call)/;

/** Whether Redis refused a command or script for what a key holds: another type, or no number where one must be. */
export function isWrongValue(error: unknown): boolean {
  return REFUSED.test(messageOf(error));
}

/** What a reading comes to, or `otherwise` where a key holds another type. All other errors are thrown. */
export async function ifReadable<T, U>(reading: Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await reading;
  } catch (error) {
    if (isWrongValue(error)) return otherwise;
    throw error;
  }
}

/** JSON as it was written; undefined where it cannot be read, or is no object. */
export function parsedObject<T extends object>(json: string | null | undefined): T | undefined {
  if (!json) return undefined;
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as T) : undefined;
  } catch {
    return undefined;
  }
}

/** A number as it was written, or `otherwise`. */
export function numberOr<T>(text: string | null | undefined, otherwise: T): number | T {
  const value = text === null || text === undefined || text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : otherwise;
}
