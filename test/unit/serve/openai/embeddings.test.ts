import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { askOneToken } from '../../../../src/lib/serve/auth/one-token.js';
import type { Gateway } from '../../../../src/lib/serve/gateway/gateway.js';
import { OpenWaits } from '../../../../src/lib/serve/gateway/open-waits.js';
import { createApp } from '../../../../src/lib/serve/http/app.js';
import { type Listening, listen } from '../../../../src/lib/serve/http/listen.js';
import { isEmbeddingInput } from '../../../../src/lib/serve/openai/embedding-input.js';
import { addEmbeddingRoutes, inOrder } from '../../../../src/lib/serve/openai/embeddings.js';

describe('the input of an embedding request', () => {
  it.each([
    ['a text', 'hello'],
    ['an empty text', ''],
    ['texts', ['a', 'b']],
    ['tokens', [0, 1, 2]],
    ['lists of tokens', [[1], [2, 3]]],
    ['as many texts as OpenAI takes', new Array(2048).fill('a')],
    ['as many tokens as are taken', new Array(1_000_000).fill(1)],
  ])('is %s', (_, input) => expect(isEmbeddingInput(input)).toBe(true));

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a number', 7],
    ['an object', { 0: 'a', length: 1 }],
    ['an empty list', []],
    ['an empty list of tokens', [[1], []]],
    ['texts and tokens', ['a', 1]],
    ['tokens and texts', [1, 'a']],
    ['texts and lists', ['a', [1]]],
    ['lists and texts', [[1], 'a']],
    ['a negative token', [1, -1]],
    ['a fraction', [[1.5]]],
    ['a token beyond the exact numbers', [2 ** 53]],
    ['lists of lists', [[[1]]]],
    ['a list of null', [null]],
    ['too many texts', new Array(2049).fill('a')],
    ['too many lists', new Array(2049).fill([1])],
    ['too many tokens in one list', new Array(1_000_001).fill(1)],
    ['too many tokens in all lists', new Array(101).fill(new Array(10_000).fill(1))],
  ])('is not %s', (_, input) => expect(isEmbeddingInput(input)).toBe(false));
});

describe('POST /v1/embeddings', () => {
  const failures: unknown[] = [];
  let server: Listening;
  let body: z.ZodType | undefined;

  beforeAll(async () => {
    const app = createApp({
      maxBody: 64_000_000,
      answerMs: 60_000,
      connections: 10,
      onFailure: (error) => failures.push(error),
    });
    askOneToken(app, undefined, 'NONE');
    app.addHook('onRoute', ({ config }) => {
      const schema = config?.doc?.body?.content['application/json']?.schema;
      body = (schema as z.ZodType | undefined) ?? body;
    });
    // A request that is refused for its body gets no further.
    const limits = { maxBody: 64_000_000 };
    const draining = new AbortController().signal;
    addEmbeddingRoutes(app, { limits, draining, waits: new OpenWaits(10) } as Gateway);
    server = await listen(app, { host: '127.0.0.1', port: 0 });
  });
  afterAll(() => server.close(0));

  it.each([
    ['one list', JSON.stringify({ model: 'm', input: [new Array(150_000).fill('a')] })],
    ['many lists', JSON.stringify({ model: 'm', input: new Array(30).fill(new Array(50_000).fill('')) })],
  ])('answers %s of bad tokens with one short error', async (_, text) => {
    const answer = await fetch(`${server.url}/v1/embeddings`, { method: 'POST', body: text });
    const said = await answer.text();
    expect(answer.status).toBe(400);
    expect(JSON.parse(said).error).toMatchObject({ code: 'PARAMETER', param: 'input' });
    expect(said.length).toBeLessThan(500);
    expect(failures).toEqual([]);
  });

  it('says in its schema what the input may be', () => {
    const { properties, required } = z.toJSONSchema(body as z.ZodType, { io: 'input' });
    expect(required).toEqual(['model', 'input']);
    expect(properties?.input).toMatchObject({
      anyOf: [
        { type: 'string' },
        { type: 'array', items: { type: 'string' } },
        { type: 'array', items: { type: 'integer' } },
        { type: 'array', items: { type: 'array', items: { type: 'integer' } } },
      ],
    });
  });
});

describe('jobs of one request', () => {
  const chunks = (...rows: number[]) => rows.map((count) => ({ rows: count }));
  const { signal } = new AbortController();

  it('give their rows in the order of the input, whatever ends first', async () => {
    const run = async (chunk: { rows: number }) => {
      // The longest ends first.
      for (let turn = chunk.rows; turn < 5; turn++) await Promise.resolve();
      return Array.from({ length: chunk.rows }, (_, row) => `${chunk.rows}.${row}`);
    };
    const found = await inOrder(chunks(2, 1, 3), 6, signal, run);
    expect(found).toEqual(['2.0', '2.1', '1.0', '3.0', '3.1', '3.2']);
    const placed = [
      { rows: 2, place: { firstRow: 0, steps: [2] } },
      { rows: 1, place: { firstRow: 1 } },
    ];
    expect(await inOrder(placed, 3, signal, run)).toEqual(['2.0', '1.0', '2.1']);
  });

  it('are 32 at a time, the next as soon as one ends', async () => {
    let [running, most] = [0, 0];
    let release = (): void => undefined;
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    let ran = 0;
    await inOrder(chunks(...new Array(100).fill(1)), 100, signal, async () => {
      running += 1;
      most = Math.max(most, running);
      ran += 1;
      // The first one ends last: the others do not wait for it.
      if (ran === 1) await slow;
      if (ran === 100) release();
      await new Promise(setImmediate);
      running -= 1;
      return ['x'];
    });
    expect([ran, most]).toEqual([100, 32]);
  });

  it('are cancelled when one fails, and have ended when the failure is told', async () => {
    let ended = 0;
    const failure = new Error('row 3 is bad');
    let started = 0;
    const work = inOrder(chunks(...new Array(100).fill(1)), 100, signal, async (_, until) => {
      started += 1;
      if (started === 3) throw failure;
      await new Promise<void>((resolve) => until.addEventListener('abort', () => setTimeout(resolve, 5)));
      ended += 1;
      throw until.reason as Error;
    });
    await expect(work).rejects.toBe(failure);
    expect([started, ended]).toEqual([32, 31]);
  });

  it('end with their caller', async () => {
    const left = new AbortController();
    const work = inOrder(
      chunks(1, 1),
      2,
      left.signal,
      (_, until) =>
        new Promise<string[]>((_resolve, reject) => {
          until.addEventListener('abort', () => reject(until.reason as Error));
        }),
    );
    left.abort(new Error('left'));
    await expect(work).rejects.toThrow('left');
  });
});
