import { PassThrough } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { askOneToken } from '../../../src/lib/serve/auth/one-token.js';
import { createApp } from '../../../src/lib/serve/http/app.js';
import { readBody } from '../../../src/lib/serve/http/body.js';
import { listen } from '../../../src/lib/serve/http/listen.js';
import { sendParts } from '../../../src/lib/serve/http/send-parts.js';

afterEach(() => vi.restoreAllMocks());

describe('a body of a known length', () => {
  const arriving = (length: number) => {
    const raw = new PassThrough();
    const request = { headers: { 'content-length': String(length) }, raw } as unknown as FastifyRequest;
    return { raw, body: readBody(request, { maxBytes: 1_000_000 }) };
  };

  it('is written into memory of its length, without joining pieces', async () => {
    const joined = vi.spyOn(Buffer, 'concat');
    const sent = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
    const { raw, body } = arriving(sent.length);
    for (let at = 0; at < sent.length; at += 70_000) raw.write(sent.subarray(at, at + 70_000));
    raw.end();
    const read = await body;
    expect(read.equals(sent)).toBe(true);
    expect(read.buffer.byteLength).toBe(sent.length);
    expect(joined).not.toHaveBeenCalled();
  });

  it.each([0, 1, 1000])('is whole when it is short: %i bytes', async (length) => {
    const { raw, body } = arriving(length);
    raw.end(Buffer.alloc(length, 7));
    expect((await body).equals(Buffer.alloc(length, 7))).toBe(true);
  });

  it('that ends early is refused, large or not', async () => {
    for (const length of [10, 300_000]) {
      const { raw, body } = arriving(length);
      raw.write(Buffer.alloc(5));
      raw.destroy();
      await expect(body).rejects.toMatchObject({ code: 'HTTP_REQUEST' });
    }
  });
});

describe('an answer in parts', () => {
  it.each([
    ['one', [Buffer.from('{"a":1}')]],
    ['short ones', [Buffer.from('head'), Uint8Array.of(1, 2, 3)]],
    ['long ones', [Buffer.from('head'), new Uint8Array(200_000).fill(5), Buffer.from('tail')]],
    ['empty ones between long ones', [Buffer.from('h'), new Uint8Array(0), new Uint8Array(100_000).fill(1)]],
    ['views into other memory', [Buffer.from('h'), new Uint8Array(300_000).fill(9).subarray(7, 200_007)]],
  ])('is sent whole, with its length: %s', async (_, parts) => {
    const app = createApp({ maxBody: 1000, answerMs: 30_000, connections: 10, onFailure: () => undefined });
    askOneToken(app, undefined, 'NONE');
    app.get('/', async (_request, reply) => sendParts(reply.type('application/octet-stream'), parts));
    const server = await listen(app, { host: '127.0.0.1', port: 0 });
    try {
      const answer = await fetch(server.url);
      const body = Buffer.from(await answer.arrayBuffer());
      expect(body.equals(Buffer.concat(parts))).toBe(true);
      expect(answer.headers.get('content-length')).toBe(String(body.length));
    } finally {
      await server.close(0);
    }
  });
});
