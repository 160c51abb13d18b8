import type { Random } from '../../chaos/random.js';
import { HEADER_TEXT } from '../canaries.js';
import { assemble, type Draft, type Mutation, type Wire, withHeader, withoutHeader } from '../draft.js';

/** Headers that servers read, with unexpected values. */
const VALUES: readonly (readonly [string, readonly string[]])[] = [
  [
    'Prefer',
    ['wait=abc', 'wait=-1', 'wait=1e99', 'wait=', '=', ';;;', 'wait=0', 'respond-async, wait=1', 'wait="1'],
  ],
  ['Idempotency-Key', ['', '""', '"', '"a', 'k'.repeat(256), '\\', '"\\"', 'a b', HEADER_TEXT, ',', '\xff']],
  [
    'Accept',
    [
      '',
      '*',
      '/',
      'text/html',
      'application/json;q=2',
      'application/json;q=0',
      ',,,',
      'a/b;q=x',
      '\xff/\xff',
    ],
  ],
  ['Accept-Encoding', ['', '*;q=0', 'gzip;q=abc', 'x'.repeat(2000), 'identity;q=0', 'br, gzip, deflate']],
  ['X-Request-Id', ['', 'x'.repeat(5000), 'a b', '<script>', '\xff', 'a\tb']],
  ['Inference-Header-Content-Length', ['-1', 'abc', '', '99999999', '1e3', '0', '1', '0x10', '9'.repeat(30)]],
  ['Expect', ['100-continue', '200-ok', '', HEADER_TEXT]],
  ['Range', ['bytes=0-1', 'bytes=-1', 'bytes=9999999999-', 'lines=1']],
  ['If-None-Match', ['*', '"x"', HEADER_TEXT]],
  ['If-Modified-Since', ['yesterday', '0']],
  ['Connection', ['close', 'keep-alive, close', 'upgrade', 'x'.repeat(500), 'Content-Length']],
  ['Upgrade', ['websocket', 'h2c', HEADER_TEXT]],
  ['TE', ['trailers', 'gzip', 'x']],
  ['Cookie', [`a=${HEADER_TEXT}`, ';;;', 'x'.repeat(4000)]],
  ['Accept-Language', ['*', 'x'.repeat(3000)]],
  ['X-Forwarded-For', ['127.0.0.1', 'a, b, c', '\xff']],
  ['X-Forwarded-Host', ['evil.example.com']],
  ['X-HTTP-Method-Override', ['DELETE', 'PUT']],
  ['Traceparent', ['00-0-0-00', 'x', `00-${'f'.repeat(32)}-${'f'.repeat(16)}-01`]],
  ['Access-Control-Request-Method', ['PUT', 'x y', HEADER_TEXT]],
];

const ORIGINS = [
  'http://evil.example.com',
  'null',
  'http://127.0.0.1:1',
  'file://',
  'x',
  '',
  'http://[::1',
  HEADER_TEXT,
];
const HOSTS = [
  'evil.example.com',
  '',
  'localhost:99999',
  '127.0.0.1.evil.example.com',
  '[::1',
  'a b',
  'x'.repeat(300),
  '\xff',
];
/** Header lines that HTTP does not allow, or discourages. */
const LINES = [
  ...[
    'X-Odd: a\x00b',
    'X-Odd: a\x01b',
    'X-Odd: a\x7fb',
    'X Odd: a',
    'X-Odd : a',
    ': a',
    'X-Odd',
    '\xff: a',
    'X-Odd: a\rb',
  ],
  ...[
    'X-Odd: a\nb: c',
    ' folded: a',
    'X-Odd: a\r\n folded',
    'X-Odd:',
    'X(Odd): a',
    'Content-Length : 5',
    'é: a',
  ],
];

function changed(draft: Draft, change: (headers: Wire['headers']) => Wire['headers']): Wire {
  const wire = assemble(draft);
  return { ...wire, headers: change(wire.headers) };
}

/** A line that `wireBytes` writes unchanged: the text before its first colon is the name. */
function rawLine(draft: Draft, line: string): Wire {
  const wire = assemble(draft);
  const head = [
    `${wire.method} ${wire.target} ${wire.version}`,
    ...wire.headers.map(([a, b]) => `${a}: ${b}`),
    line,
  ];
  return {
    ...wire,
    raw: Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), wire.body]),
    last: true,
  };
}

/**
 * Faults of headers.
 * @param weakToken a token that may only read, for routes that need more
 */
export function headerMutations(weakToken: string): readonly Mutation[] {
  return [
    {
      name: 'an odd value of a header',
      fits: () => true,
      apply: (draft, random) => {
        const [name, values] = random.pick(VALUES);
        const wire = changed(draft, (headers) => withHeader(headers, name, random.pick(values)));
        // `Connection` may close it; the data after an upgrade or an expectation may not be read as HTTP.
        return {
          wire: { ...wire, last: ['Connection', 'Upgrade', 'Expect'].includes(name) },
          early: [400, 403],
        };
      },
    },
    {
      name: 'a header twice',
      fits: () => true,
      apply: (draft, random) => {
        const { headers } = assemble(draft);
        const [name, value] = random.pick(headers);
        const second = random.pick([value, '', '1', `${value}x`, HEADER_TEXT]);
        const wire = changed(draft, (all) => [...all, [name, second]]);
        return { wire: { ...wire, last: true }, early: [400, 401, 421] };
      },
    },
    {
      name: 'too many headers',
      fits: () => true,
      apply: (draft, random) => {
        const bombs: (() => Wire['headers'])[] = [
          () => [['X-Bomb', 'a'.repeat(20_000)]],
          () => [[`X-${'b'.repeat(17_000)}`, 'a']],
          () => Array.from({ length: 3000 }, (_, i) => [`X-${i}`, 'a'] as const),
          () => Array.from({ length: 400 }, () => ['X-Same', HEADER_TEXT] as const),
          () => [['Authorization', `Bearer ${'t'.repeat(15_000)}`]],
        ];
        const more = random.pick(bombs)();
        const wire = changed(draft, (headers) => [...headers, ...more]);
        return { wire: { ...wire, last: true }, early: [400, 401, 431] };
      },
    },
    {
      name: 'a malformed header',
      fits: () => true,
      apply: (draft, random) => ({ wire: rawLine(draft, random.pick(LINES)), early: [400, 408] }),
    },
    {
      name: 'other credentials',
      fits: () => true,
      apply: (draft, random) => {
        const values = [
          ...[
            undefined,
            '',
            'Bearer',
            'Bearer ',
            'Bearer none',
            `Bearer ${weakToken}`,
            `bearer ${weakToken}`,
          ],
          ...[
            'Basic YTpi',
            `Bearer ${HEADER_TEXT}`,
            'Bearer \xff',
            `Bearer ${'t'.repeat(8000)}`,
            `Token ${weakToken}`,
          ],
          ...[
            'Bearer a b',
            'Bearer null',
            'Bearer inf_',
            `Bearer ${weakToken}x`,
            `Bearer ${weakToken},Bearer none`,
          ],
        ];
        const value = random.pick(values);
        const wire = changed(draft, (headers) =>
          value === undefined
            ? withoutHeader(headers, 'Authorization')
            : withHeader(headers, 'Authorization', value),
        );
        return { wire, early: [401, 403] };
      },
    },
    {
      name: 'another Host',
      fits: () => true,
      apply: (draft, random) => {
        const host: string | undefined = random.pick([...HOSTS, undefined]);
        const wire = changed(draft, (headers) =>
          host === undefined ? withoutHeader(headers, 'Host') : withHeader(headers, 'Host', host),
        );
        return { wire: { ...wire, last: true }, early: [400, 421] };
      },
    },
    {
      name: 'a page of another origin',
      fits: () => true,
      apply: (draft, random) => {
        const add = originHeaders(random);
        return { wire: changed(draft, (headers) => [...headers, ...add]), early: [403] };
      },
    },
  ];
}

function originHeaders(random: Random): Wire['headers'] {
  const forms: (() => Wire['headers'])[] = [
    () => [['Origin', random.pick(ORIGINS)]],
    () => [['Sec-Fetch-Site', random.pick(['cross-site', 'same-site', 'none', 'x', ''])]],
    () => [
      ['Origin', random.pick(ORIGINS)],
      ['Access-Control-Request-Method', 'POST'],
      ['Access-Control-Request-Headers', random.pick(['authorization', 'a\tb', HEADER_TEXT, ''])],
    ],
  ];
  return random.pick(forms)();
}
