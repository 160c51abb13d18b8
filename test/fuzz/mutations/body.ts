import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { assemble, bodyOf, type Draft, hasBody, type Mutation, withBytes, withHeader } from '../draft.js';

const TYPES = [
  ...['text/csv', 'application/xml', 'multipart/form-data; boundary=x', 'application/pdf', 'image/png'],
  ...[
    'application/json; charset=utf-16',
    'application/json; charset="',
    'application/vnd.api+json',
    '*/*',
    '/',
  ],
  ...[
    'application/octet-stream',
    'application/x-ndjson',
    'application/x-npy',
    'application/jsonl',
    'json',
    ';',
    ' ',
  ],
  ...[
    'application/json, text/html',
    'text/plain',
    `application/${'x'.repeat(3000)}`,
    'APPLICATION/JSON',
    'a/b/c',
  ],
];
/** Larger than `--max-body` of the server that is fuzzed, once it is decompressed. */
const BOMB_BYTES = 8 * 1024 ** 2;
/** Larger than its `--max-body` without compression. */
const LARGE_BYTES = 1_200_000;

/** Faults of headers that describe a body, and of bodies other than JSON. */
export const BODY_MUTATIONS: readonly Mutation[] = [
  {
    name: 'another Content-Type',
    fits: hasBody,
    apply: (draft, random) => ({ wire: assemble({ ...draft, contentType: random.pick(TYPES) }) }),
  },
  {
    name: 'no Content-Type',
    fits: hasBody,
    apply: (draft) => ({ wire: assemble({ ...draft, contentType: undefined }) }),
  },
  {
    name: 'another Content-Encoding',
    fits: hasBody,
    apply: (draft, random) => {
      const body = bodyOf(draft) ?? Buffer.alloc(0);
      const forms: (readonly [string, () => Buffer])[] = [
        ['gzip', () => body],
        ['gzip', () => gzipSync(body)],
        ['gzip', () => gzipSync(body).subarray(0, -6)],
        ['gzip', () => Buffer.concat([gzipSync(body), Buffer.from('behind')])],
        ['gzip', () => gzipSync(Buffer.alloc(BOMB_BYTES, ' '))],
        ['deflate', () => deflateSync(body)],
        ['deflate', () => body],
        ['br', () => brotliCompressSync(body)],
        ['gzip, gzip', () => gzipSync(gzipSync(body))],
        ['identity', () => body],
        ['', () => body],
        ['x'.repeat(1000), () => body],
      ];
      const [encoding, make] = random.pick(forms);
      return { wire: withEncoding(withBytes(draft, make()), encoding) };
    },
  },
  {
    name: 'a large body',
    fits: hasBody,
    apply: (draft, random) => {
      const body = bodyOf(draft) ?? Buffer.alloc(0);
      const padding = Buffer.alloc(LARGE_BYTES, random.pick([' ', '[', 'a', '\0', '\n']));
      return { wire: { ...assemble(withBytes(draft, Buffer.concat([padding, body]))), last: true } };
    },
  },
  {
    name: 'bytes of the body changed',
    fits: ({ bytes }) => bytes !== undefined && bytes.length > 0,
    apply: (draft, random) => {
      const changed = Buffer.from(draft.bytes ?? []);
      // Most faults are in the first bytes.
      const most = random.chance(0.7) ? Math.min(128, changed.length) : changed.length;
      for (let i = random.int(1, 3); i > 0; i--) changed[random.int(0, most - 1)] = random.int(0, 255);
      return { wire: assemble(withBytes(draft, changed)) };
    },
  },
  {
    name: 'a body of another length',
    fits: ({ bytes }) => bytes !== undefined && bytes.length > 0,
    apply: (draft, random) => {
      const bytes = draft.bytes ?? Buffer.alloc(0);
      const cut = bytes.subarray(0, random.int(0, bytes.length - 1));
      const grown = Buffer.concat([bytes, Buffer.alloc(random.int(1, 100), random.int(0, 255))]);
      return { wire: assemble(withBytes(draft, random.chance(0.6) ? cut : grown)) };
    },
  },
  {
    name: 'a body where none is read',
    fits: (draft) => !hasBody(draft),
    apply: (draft, random) => {
      const bytes = random.pick([Buffer.from('{"a":1}'), Buffer.from('x'), Buffer.alloc(20_000)]);
      const contentType = random.pick(['application/json', 'text/plain', '', undefined]);
      return { wire: assemble({ ...withBytes(draft, bytes), contentType }) };
    },
  },
];

function withEncoding(draft: Draft, encoding: string) {
  return assemble({ ...draft, headers: withHeader(draft.headers, 'Content-Encoding', encoding) });
}
