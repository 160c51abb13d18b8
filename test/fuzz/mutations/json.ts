import type { Random } from '../../chaos/random.js';
import { PAYLOAD_TEXT } from '../canaries.js';
import {
  assemble,
  bodyOf,
  type Draft,
  jsonText,
  type Mutated,
  type Mutation,
  RawJson,
  withBytes,
} from '../draft.js';
import { define, isPayload, type Place, replacedAt, somePlace, valueAt } from './json-place.js';
import { NO_UTF8, oddNumber, oddText } from './odd-values.js';

type Change = (value: unknown, random: Random, draft: Draft) => unknown;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof RawJson);
const isAny = (): boolean => true;

/** A fault in the document of a JSON body that leaves it valid JSON. */
function inDocument(name: string, change: Change): Mutation {
  return {
    name,
    fits: ({ json }) => json !== undefined,
    apply: (draft, random) => {
      const value = change(draft.json?.value, random, draft);
      return { wire: assemble({ ...draft, json: { value } }) };
    },
  };
}

/** A fault in the text of a JSON body. */
function inText(name: string, change: (body: Buffer, random: Random, draft: Draft) => Buffer): Mutation {
  return {
    name,
    fits: ({ json }) => json !== undefined,
    apply: (draft, random): Mutated => {
      const body = bodyOf(draft) ?? Buffer.alloc(0);
      return { wire: assemble(withBytes(draft, change(body, random, draft))) };
    },
  };
}

function mark(place: Place): string {
  return isPayload(place) ? PAYLOAD_TEXT : '';
}

/** Replaces a value of one kind, or the root if there is none. */
function replace(
  value: unknown,
  random: Random,
  wanted: (value: unknown) => boolean,
  next: (old: unknown, place: Place) => unknown,
): unknown {
  const place = somePlace(value, random, wanted) ?? [];
  return replacedAt(value, place, next(valueAt(value, place), place));
}

const OTHERS: readonly unknown[] = [null, true, false, 0, -1, 1.5, '', [], {}, [[]], [null], { a: 1 }, '1'];
const KEYS = [
  'extra',
  '',
  '__proto__',
  'constructor',
  'toString',
  'Model',
  'модель',
  'a\u0000b',
  'k'.repeat(5000),
];
const DEPTHS = [65, 200, 2000, 50_000];
const NOT_DOCUMENTS = [
  ...['', ' ', '\n', 'null', 'true', '"text"', '42', '[]', '{}', '{', '[', '"', '{}{}', '<a/>', 'a=1&b=2'],
  ...['\0', '// a comment\n{}', "{'a':1}", '{a:1}', '[1,]', '{"a":1,}', 'undefined', 'NaN', '\u2028{}'],
];

/** The document of a request with one fault. */
export const DOCUMENT_MUTATIONS: readonly Mutation[] = [
  inDocument('a value of another type', (value, random) =>
    replace(value, random, isAny, (_, place) => {
      const other = random.pick(OTHERS);
      return other === '' ? mark(place) : other;
    }),
  ),
  inDocument('a field is missing', (value, random) => {
    const place = somePlace(value, random, (one) => isObject(one) && Object.keys(one).length > 0);
    if (place === undefined) return undefined;
    const key = random.pick(Object.keys(valueAt(value, place) as object));
    return replacedAt(value, [...place, key], undefined);
  }),
  inDocument('a field more', (value, random) =>
    replace(value, random, isObject, (old) => {
      const grown = isObject(old) ? { ...old } : {};
      define(grown, random.pick(KEYS), random.pick(OTHERS));
      return grown;
    }),
  ),
  inDocument('an odd number', (value, random) =>
    replace(
      value,
      random,
      (one) => typeof one === 'number',
      () => oddNumber(random),
    ),
  ),
  inDocument('an odd text', (value, random) =>
    replace(
      value,
      random,
      (one) => typeof one === 'string',
      (_, place) => oddText(random, mark(place)),
    ),
  ),
  inDocument('a number as text', (value, random) =>
    replace(
      value,
      random,
      (one) => typeof one === 'number',
      (old) => String(old),
    ),
  ),
  inDocument('a list of another length', (value, random) =>
    replace(value, random, Array.isArray, (old) => {
      const list = Array.isArray(old) ? (old as unknown[]) : [];
      const forms: (() => unknown)[] = [
        () => [],
        () => list.slice(1),
        () => [...list, ...list],
        () => [list],
        () => [...list, [list[0]]],
        () => list.flat(),
        () => Array.from({ length: 5000 }, (_, at) => list[at % Math.max(1, list.length)] ?? 0),
      ];
      return random.pick(forms)();
    }),
  ),
  inDocument('deep nesting', (value, random) => {
    const depth = random.pick(DEPTHS);
    const nested = random.chance(0.5)
      ? `${'['.repeat(depth)}${']'.repeat(depth)}`
      : `${'['.repeat(depth)}0${']'.repeat(depth)}`;
    return replace(value, random, isAny, () => new RawJson(nested));
  }),
];

/** The text of a document with one fault. */
export const TEXT_MUTATIONS: readonly Mutation[] = [
  inText('a field twice', (body, random, { json }) => {
    const value = json?.value;
    const text = body.toString();
    if (!isObject(value) || Object.keys(value).length === 0) return Buffer.from(`[${text},${text}]`);
    const key = random.pick(Object.keys(value));
    return Buffer.from(`{${JSON.stringify(key)}:${jsonText(random.pick(OTHERS))},${text.slice(1)}`);
  }),
  inText('a cut document', (body, random) => body.subarray(0, random.int(0, Math.max(0, body.length - 1)))),
  inText('a character of the document changed', (body, random) => {
    const changed = Buffer.from(body);
    if (changed.length > 0)
      changed[random.int(0, changed.length - 1)] = random.pick([...Buffer.from(',:"[]{}\\0- \x00')]);
    return changed;
  }),
  inText('bytes that are no UTF-8', (body, random) => {
    const at = random.int(0, body.length);
    return Buffer.concat([body.subarray(0, at), Buffer.from(random.pick(NO_UTF8)), body.subarray(at)]);
  }),
  inText('half a surrogate pair', (body, random) => {
    const text = body.toString();
    const quotes = [...text.matchAll(/"/g)].map(({ index }) => index + 1);
    const at = quotes.length === 0 ? 0 : random.pick(quotes);
    return Buffer.from(
      `${text.slice(0, at)}${random.pick(['\\ud800', '\\udc00', '\\ud800\\ud800'])}${text.slice(at)}`,
    );
  }),
  inText('another encoding of text', (body, random) => {
    const text = body.toString();
    const forms = [
      Buffer.from(text, 'utf16le'),
      Buffer.from(`\uFEFF${text}`, 'utf16le'),
      Buffer.from(`\uFEFF${text}`),
      Buffer.from(text.replace(/[a-z]/, 'é'), 'latin1'),
    ];
    return random.pick(forms);
  }),
  inText('no document', (_body, random) => Buffer.from(random.pick(NOT_DOCUMENTS))),
  inText('something behind the document', (body, random) =>
    Buffer.concat([body, Buffer.from(random.pick(['x', '}', ']', ',', '{}', '\0', '\n\n1', '//']))]),
  ),
];
