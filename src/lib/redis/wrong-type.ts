import { messageOf } from '../core/errors.js';

const REFUSED =
  /\bWRONGTYPE\b|\bDAMAGED\b|is not an integer|not a valid float|not a float|would overflow|bad argument|attempt to (?:perform|index|compare|concatenate|call)/;

/**
 * Whether Redis refused a command or script because of a key's content: another type, or not a number where
 * one is required.
 */
export function isWrongValue(error: unknown): boolean {
  return REFUSED.test(messageOf(error));
}

/** The result of a read, or `otherwise` if a key has another type. All other errors are thrown. */
export async function ifReadable<T, U>(reading: Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await reading;
  } catch (error) {
    if (isWrongValue(error)) return otherwise;
    throw error;
  }
}

/** Parses stored JSON; undefined if it cannot be parsed or is not an object. */
export function parsedObject<T extends object>(json: string | null | undefined): T | undefined {
  if (!json) return undefined;
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as T) : undefined;
  } catch {
    return undefined;
  }
}

/** Parses a stored number, or returns `otherwise`. */
export function numberOr<T>(text: string | null | undefined, otherwise: T): number | T {
  const value = text === null || text === undefined || text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : otherwise;
}
