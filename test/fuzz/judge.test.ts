import { describe, expect, it } from 'vitest';
import { AnswerSchemas } from './answer-schemas.js';
import { PAYLOAD_TEXT } from './canaries.js';
import type { Answer } from './connection.js';
import { ApiDocument } from './document.js';
import { logTroubles } from './fuzz.js';
import { judge, pathOf, type Sent } from './judge.js';
import { SMALL_API } from './small-api.js';

const document = new ApiDocument(SMALL_API);
const SECRET = 'inf_secret';

const sent = (method = 'GET', target = '/things/a', more: Partial<Sent> = {}): Sent => ({
  wire: { method, target, version: 'HTTP/1.1', headers: [], body: Buffer.alloc(0) },
  early: [],
  silent: false,
  ...more,
});

const problem = (status: number, more: object = {}) => ({
  type: '/errors/X',
  title: 'x',
  status,
  detail: 'x',
  code: 'X',
  instance: '/things/a',
  error: 'x',
  ...more,
});

const answer = (
  status: number,
  body: unknown,
  type = 'application/problem+json',
  headers: Answer['headers'] = [],
): Answer => ({
  status,
  headers: [['content-type', type], ...headers],
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  partial: false,
});

const faults = (outcome: Parameters<typeof judge>[2], request = sent()) =>
  judge(
    { document, schemas: new AnswerSchemas(document), busy: ['BUSY'], secrets: [SECRET] },
    request,
    outcome,
  );

describe('an answer', () => {
  it('is right if it is documented and its error is a problem', () => {
    expect(faults(answer(200, {}, 'application/json; charset=utf-8'))).toEqual([]);
    expect(faults(answer(400, problem(400)))).toEqual([]);
    expect(faults(answer(404, problem(404)), sent('DELETE'))).toEqual([]);
    expect(faults(answer(204, '', ''), sent('DELETE'))).toEqual([]);
    expect(faults(answer(404, problem(404)), sent('GET', '/none'))).toEqual([]);
    expect(faults(answer(200, {}, 'application/json'), sent('GET', '/things/a/'))).toEqual([]);
    expect(faults(answer(405, ''), sent('HEAD'))).toEqual([]);
    expect(faults(answer(400, { error: 'as other protocols have it' }, 'application/json'))).toEqual([]);
    expect(faults(answer(400, { error: { message: 'as OpenAI has it' } }, 'application/json'))).toEqual([]);
    expect(faults({ failure: 'closed', text: '' }, sent('GET', '/things/a', { silent: true }))).toEqual([]);
    expect(faults(answer(431, problem(431)), sent('GET', '/things/a', { early: [431] }))).toEqual([]);
  });

  it.each([
    ['an error of the server', answer(500, problem(500)), 'status 500'],
    ['a 5xx that is not documented', answer(503, problem(503)), 'status 503, which is not documented'],
    ['another status', answer(409, problem(409)), 'status 409, which GET /things/{id} does not document'],
    ['another media type', answer(200, '<p/>', 'text/html'), "an answer as 'text/html'"],
    ['no JSON', answer(200, '{', 'application/json'), 'an answer that is no JSON'],
    ['an error in HTML', answer(400, '<p/>', 'text/html'), "an error as 'text/html'"],
    ['an error that is no JSON', answer(400, '{'), 'an error that is no JSON'],
    ['an error without a message', answer(400, {}, 'application/json'), 'an error without a message'],
    ['a problem without its code', answer(400, problem(400, { code: undefined })), 'a problem without code'],
    ['a problem of another status', answer(400, problem(422)), 'the problem says status 422'],
    [
      'a secret in its body',
      answer(400, problem(400, { detail: `Bearer ${SECRET}` })),
      'a secret in an answer',
    ],
    [
      'an error of the server that its set-up cannot cause',
      answer(503, problem(503)),
      'the server answers 503 X',
    ],
    [
      'a body that does not match its schema',
      answer(201, { rows: 'one' }, 'application/json'),
      'the body of 201 does not match its schema: /rows must be integer',
      sent('POST', '/things'),
    ],
    [
      'an error that does not match its schema',
      answer(404, problem(404, { hint: 5 })),
      'the body of 404 does not match its schema: /hint must be string',
      sent('DELETE'),
    ],
    ['a secret in a header', answer(200, {}, 'application/json', [['x-y', SECRET]]), 'a secret in an answer'],
    [
      'payload in an error',
      answer(400, problem(400, { detail: `not ${PAYLOAD_TEXT}` })),
      'payload in an error',
    ],
    [
      'payload in a header',
      answer(200, {}, 'application/json', [['x-y', PAYLOAD_TEXT]]),
      'payload in a header',
    ],
    ['no answer', { failure: 'closed', text: '' } as const, 'closed without an answer'],
    ['a late answer', { failure: 'late', text: '' } as const, 'no answer in time'],
    ['no HTTP', { failure: 'malformed', text: 'hello' } as const, 'no HTTP'],
  ] as const)('is wrong: %s', (_, outcome, what, request = sent()) => {
    expect(faults(outcome, request).join('\n')).toContain(what);
  });

  it('may be an error of the server where the set-up can cause it, and it is documented', () => {
    const busy = answer(503, problem(503, { code: 'BUSY' }));
    expect(faults(busy, sent('POST', '/things'))).toEqual([]);
    expect(faults(busy)).toEqual(['status 503, which is not documented']);
    expect(faults(answer(503, ''), sent('HEAD', '/things/a'))).not.toEqual([]);
  });

  it('is wrong if it succeeds without a documented operation', () => {
    expect(faults(answer(200, {}, 'application/json'), sent('GET', '/none'))).toEqual([
      'status 200 where no operation is documented',
    ]);
  });
});

it.each([
  ['/things/a?limit=1', '/things/a'],
  ['http://example.com/things/a#b', '/things/a'],
  ['/%74hings/a%2Fb', '/things/a%2Fb'],
])('the path of %s is %s', (target, path) => {
  expect(pathOf(target)).toBe(path);
});

it('a log has no secret, no payload and no failure', () => {
  expect(logTroubles('{"level":"info","route":"/things/:id"}\n', [SECRET])).toEqual([]);
  expect(logTroubles(`{"level":"info","token":"${SECRET}"}`, [SECRET])).toEqual(['a secret in the log']);
  expect(logTroubles(`{"level":"info","body":"${PAYLOAD_TEXT}"}`, [])).toEqual([
    `'${PAYLOAD_TEXT}' in the log`,
  ]);
  expect(logTroubles('ready\n{"level":"error","msg":"a request failed"}', [])).toEqual([
    expect.stringContaining('the log tells of a failure'),
  ]);
});
