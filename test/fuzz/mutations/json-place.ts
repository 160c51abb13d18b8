import type { Random } from '../../chaos/random.js';

/** Names and positions from the root of a document to a value. */
export type Place = readonly (string | number)[];

type Node = Record<string | number, unknown>;

const STOP = 0.25;

/** A random place in a document: each level is equally likely, however many numbers a row has. */
export function somePlace(
  value: unknown,
  random: Random,
  wanted: (value: unknown) => boolean,
): Place | undefined {
  const places = somePlaces(value, random).filter((place) => wanted(valueAt(value, place)));
  return places.length === 0 ? undefined : random.pick(places);
}

/** Places on several random paths. */
function somePlaces(value: unknown, random: Random): Place[] {
  const found: Place[] = [[]];
  for (let i = 0; i < 12; i++) {
    const place: (string | number)[] = [];
    for (let node = value; ; ) {
      const keys = keysOf(node);
      if (keys.length === 0 || random.chance(STOP)) break;
      const key = random.pick(keys);
      place.push(key);
      node = (node as Node)[key];
    }
    found.push(place);
  }
  return found;
}

function keysOf(value: unknown): (string | number)[] {
  if (Array.isArray(value)) return value.map((_, at) => at);
  return typeof value === 'object' && value !== null ? Object.keys(value) : [];
}

export function valueAt(value: unknown, place: Place): unknown {
  return place.reduce<unknown>((node, key) => (node as Node)[key], value);
}

/** A copy of a document with another value at a place; `undefined` removes it. */
export function replacedAt(value: unknown, place: Place, next: unknown): unknown {
  const [key, ...rest] = place;
  if (key === undefined) return next;
  if (Array.isArray(value)) {
    const copy = [...value];
    if (rest.length === 0 && next === undefined) copy.splice(key as number, 1);
    else copy[key as number] = replacedAt(copy[key as number], rest, next);
    return copy;
  }
  const copy: Node = { ...(value as Node) };
  if (rest.length === 0 && next === undefined) delete copy[key];
  // Not by assignment, which would drop a key `__proto__`.
  else define(copy, key, replacedAt(copy[key], rest, next));
  return copy;
}

export function define(object: object, key: string | number, value: unknown): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

/** Whether a place is within the payload, which no error and no log may repeat. */
export function isPayload(place: Place): boolean {
  const [first, , third] = place;
  if (first === 'input') return true;
  // A bare row or list of rows, or an input of the Open Inference Protocol.
  return typeof first === 'number' || (first === 'inputs' && third === 'data');
}
