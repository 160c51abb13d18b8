import {
  assemble,
  type Draft,
  hasBody,
  type Mutated,
  type Mutation,
  type Wire,
  withHeader,
  withoutHeader,
} from '../draft.js';

const LENGTH = 'Content-Length';
const LENGTHS = ['-1', 'abc', '', '1e3', '0x10', '1.5', '99999999999999999999999', '+5', '5, 6', ' 5 5', '٣'];
const ENCODINGS = [
  'gzip, chunked',
  'chunked, gzip',
  'identity',
  'x',
  'chunked, chunked',
  ' chunked',
  'CHUNKED',
  '',
];
const VERSIONS = [
  'HTTP/1.0',
  'HTTP/1.2',
  'HTTP/2.0',
  'HTTP/0.9',
  'HTTP/11.1',
  'HTTP/',
  'HTTPS/1.1',
  'http/1.1',
  '',
  'x',
];
/** Starts of a connection that are not a valid request. */
const STARTS = [
  ...[
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    '\r\n\r\n\r\nGET\r\n\r\n',
  ],
  ...[
    '*1\r\n$4\r\nPING\r\n',
    'EHLO example.com\r\n\r\n',
    '\x00'.repeat(100),
    'GET /\r\n\r\n',
    'GET / HTTP/1.1\n\n',
    '{}\r\n\r\n',
  ],
];
const BAD_CHUNKS = [
  'zz\r\nabc\r\n0\r\n\r\n',
  '-1\r\n\r\n',
  'ffffffffffffffffff\r\n',
  '5\r\nabc\r\n0\r\n\r\n',
  '3abc\r\n',
  `3;${'x'.repeat(20_000)}\r\nabc\r\n0\r\n\r\n`,
];

const broken = (wire: Wire, more: Partial<Mutated> = {}): Mutated => ({
  wire: { ...wire, last: true },
  early: [400, 408, 413],
  ...more,
});

function chunked(draft: Draft, body: Buffer, name = 'chunked'): Wire {
  const wire = assemble(draft);
  const headers = withHeader(withoutHeader(wire.headers, LENGTH), 'Transfer-Encoding', name);
  return { ...wire, headers, body };
}

function chunks(body: Buffer, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const piece = body.subarray(at, at + size);
    parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

const END = Buffer.from('0\r\n\r\n');

/** Faults in the framing of a request. */
export const FRAMING_MUTATIONS: readonly Mutation[] = [
  {
    name: 'a longer Content-Length',
    fits: hasBody,
    apply: (draft, random) => {
      const wire = assemble(draft);
      const length = String(wire.body.length + random.pick([1, 100, 900_000]));
      const headers = withHeader(wire.headers, LENGTH, length);
      return broken({ ...wire, headers, halfClosed: true }, { silent: true });
    },
  },
  {
    name: 'a shorter Content-Length',
    fits: (draft) => hasBody(draft) && assemble(draft).body.length > 0,
    apply: (draft, random) => {
      const wire = assemble(draft);
      const headers = withHeader(wire.headers, LENGTH, String(random.int(0, wire.body.length - 1)));
      return broken({ ...wire, headers });
    },
  },
  {
    name: 'a Content-Length that is none',
    fits: () => true,
    apply: (draft, random) => {
      const wire = assemble(draft);
      const headers = withHeader(wire.headers, LENGTH, random.pick(LENGTHS));
      return broken({ ...wire, headers, halfClosed: true }, { silent: true });
    },
  },
  {
    name: 'a body in chunks',
    fits: hasBody,
    apply: (draft, random) => {
      const { body } = assemble(draft);
      const pieces = chunks(body, random.pick([1, 7, 1000, 100_000]));
      return { wire: chunked(draft, Buffer.concat([pieces, END])) };
    },
  },
  {
    name: 'a malformed chunk',
    fits: hasBody,
    apply: (draft, random) => {
      const pieces = chunks(assemble(draft).body, 50);
      const body = Buffer.concat([pieces, Buffer.from(random.pick(BAD_CHUNKS), 'latin1')]);
      // Whether the route or the parser responds first depends on timing.
      return broken({ ...chunked(draft, body), halfClosed: true }, { silent: true });
    },
  },
  {
    name: 'chunks that end early',
    fits: hasBody,
    apply: (draft, random) => {
      const body = Buffer.concat([chunks(assemble(draft).body, 50), END]);
      const cut = body.subarray(0, random.int(0, body.length - 1));
      return broken({ ...chunked(draft, cut), halfClosed: true }, { silent: true });
    },
  },
  {
    name: 'both a length and chunks',
    fits: hasBody,
    apply: (draft) => {
      const wire = assemble(draft);
      const body = Buffer.concat([chunks(wire.body, 1000), END]);
      return broken({ ...wire, headers: [...wire.headers, ['Transfer-Encoding', 'chunked']], body });
    },
  },
  {
    name: 'another Transfer-Encoding',
    fits: hasBody,
    apply: (draft, random) => {
      const body = Buffer.concat([chunks(assemble(draft).body, 1000), END]);
      const wire = chunked(draft, body, random.pick(ENCODINGS));
      return broken({ ...wire, halfClosed: true }, { silent: true, early: [400, 411] });
    },
  },
  {
    name: 'another version of HTTP',
    fits: () => true,
    apply: (draft, random) => {
      const version = random.pick(VERSIONS);
      return broken({ ...assemble(draft), version }, { early: [400], silent: version === '' });
    },
  },
  {
    name: 'no request at all',
    fits: () => true,
    apply: (draft, random) => {
      const raw = Buffer.from(random.pick(STARTS), 'latin1');
      const wire = { ...assemble(draft), method: 'none', target: '/', raw, halfClosed: true };
      return broken(wire, { early: [400, 401, 404], silent: true });
    },
  },
  {
    name: 'line ends of another system',
    fits: () => true,
    apply: (draft) => {
      const wire = assemble(draft);
      const lines = [
        `${wire.method} ${wire.target} ${wire.version}`,
        ...wire.headers.map(([a, b]) => `${a}: ${b}`),
      ];
      const head = Buffer.from(`${lines.join('\n')}\n\n`, 'latin1');
      return broken({ ...wire, raw: Buffer.concat([head, wire.body]), halfClosed: true }, { silent: true });
    },
  },
];
