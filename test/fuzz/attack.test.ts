import { type AddressInfo, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { InferError } from '../../src/lib/core/errors.js';
import { askToken } from '../../src/lib/serve/auth/ask-token.js';
import type { Caller } from '../../src/lib/serve/auth/caller.js';
import { type App, createApp } from '../../src/lib/serve/http/app.js';
import { readJson } from '../../src/lib/serve/http/body.js';
import { guard } from '../../src/lib/serve/http/guard.js';
import { type Listening, listen } from '../../src/lib/serve/http/listen.js';
import { Attack, type AttackReport } from './attack.js';
import { ApiDocument } from './document.js';
import { SMALL_API } from './small-api.js';

const TOKEN = 'inf_strong-0c1d';
const WEAK = 'inf_weak-7e2f';
const open: Listening[] = [];
const failures: unknown[] = [];

afterEach(async () => {
  failures.length = 0;
  await Promise.all(open.splice(0).map((server) => server.close(0)));
});

const THING = z.strictObject({
  name: z.string().min(1).max(20),
  rows: z.array(z.number()).min(1),
  kind: z.enum(['a', 'b']).optional(),
  nested: z.union([z.null(), z.object({ at: z.number().int().optional() })]).optional(),
});
const ID = z.strictObject({ id: z.string().min(1) });
const LIMIT = z.strictObject({ limit: z.coerce.number().int().min(1).max(50).optional() });

/** The app of `SMALL_API` on the gateway's server. @param spoil adds a fault to it */
async function start(spoil: (app: App) => void = () => undefined): Promise<Listening> {
  const app = createApp({
    maxBody: 1024 ** 2,
    // Far more than a slow machine needs, since a 503 would not be documented.
    answerMs: 300_000,
    connections: 1000,
    onFailure: (error) => void failures.push(error),
  });
  const callers: Record<string, Caller> = {
    [TOKEN]: { name: 'strong', allows: () => true },
    [WEAK]: { name: 'weak', allows: (scope) => scope === 'read' },
  };
  guard(app, { origins: [], originHint: '', serverNames: [], tokens: true });
  askToken(app, { find: (token) => (Object.hasOwn(callers, token) ? callers[token] : undefined) });
  spoil(app);
  app.post(
    '/things',
    {
      config: { access: 'submit' },
      schema: { querystring: z.strictObject({ wait: z.string().optional() }) },
    },
    async (request, reply) => {
      const thing = await readJson(request, THING, { maxBytes: 1024 ** 2 });
      return reply.code(201).send({ rows: thing.rows.length });
    },
  );
  app.get(
    '/things/:id',
    { config: { access: 'read' }, schema: { params: ID, querystring: LIMIT } },
    async () => ({ ok: true }),
  );
  app.delete(
    '/things/:id',
    { config: { access: 'submit' }, schema: { params: ID } },
    async (_request, reply) => reply.code(204).send(),
  );
  const server = await listen(app, { host: '127.0.0.1', port: 0 });
  open.push(server);
  return server;
}

const attack = (
  { port }: Pick<Listening, 'port'>,
  requests: number,
  more: { seed?: number; only?: number } = {},
) =>
  new Attack({
    document: new ApiDocument(SMALL_API),
    port,
    seed: 5,
    requests,
    token: TOKEN,
    weakToken: WEAK,
    secrets: [TOKEN, WEAK],
    answerMs: 100_000,
    ...more,
  }).run();

const told = (report: AttackReport) =>
  report.faults.map(({ mutation, what, request }) => `${mutation}: ${what} ${request}`);

describe('the server of the gateway', () => {
  it('answers every malformed request with a problem, and never with 5xx', async () => {
    const server = await start();
    const report = await attack(server, 800);
    expect(told(report)).toEqual([]);
    expect(failures).toEqual([]);
    expect(report.neverWell).toEqual([]);
    for (const status of ['200', '201', '204', '400', '401', '403', '404', '405', '431'])
      expect([status, report.statuses.get(status) ?? 0]).not.toEqual([status, 0]);
    expect(report.mutations.size).toBeGreaterThan(30);
    const alive = await fetch(`${server.url}/things/a`, { headers: { authorization: `Bearer ${TOKEN}` } });
    expect(alive.status).toBe(200);
  });
});

describe('the fuzzer finds', () => {
  const found = async (spoil: (app: App) => void): Promise<string> => {
    const { faults } = await attack(await start(spoil), 150);
    return faults.map(({ what }) => what).join('\n');
  };

  it('an error of the server', async () => {
    const spoil = (app: App) =>
      app.addHook('preHandler', async ({ query }) => {
        if (Object.keys(query as object).length > 0) throw new TypeError('a bug');
      });
    expect(await found(spoil)).toContain('status 500');
  });

  it('a status that is not documented', async () => {
    const spoil = (app: App) =>
      app.addHook('preHandler', async (request, reply) => {
        if (request.method === 'GET') return reply.code(418).type('application/problem+json').send('{}');
      });
    expect(await found(spoil)).toContain('status 418, which GET /things/{id} does not document');
  });

  it('an error that is not a problem', async () => {
    const spoil = (app: App) =>
      app.addHook('onSend', async (_request, reply, body) => {
        if (reply.statusCode === 400) reply.header('content-type', 'text/html');
        return body;
      });
    expect(await found(spoil)).toContain("an error as 'text/html'");
  });

  it('a body that does not match its schema', async () => {
    const spoil = (app: App) =>
      app.addHook('onSend', async (_request, reply, body) =>
        reply.statusCode === 201 ? JSON.stringify({ rows: 'one' }) : body,
      );
    expect(await found(spoil)).toContain('the body of 201 does not match its schema: /rows must be integer');
  });

  it('an error of the server that is documented, but that its set-up cannot cause', async () => {
    const spoil = (app: App) =>
      app.addHook('preHandler', async ({ method }) => {
        if (method === 'POST') throw new InferError('QUEUE_FULL', 'too many');
      });
    expect(await found(spoil)).toContain('the server answers 503 QUEUE_FULL');
  });

  it('a token in a response', async () => {
    const spoil = (app: App) =>
      app.addHook('onSend', async (request, reply) => {
        reply.header('x-debug', String(request.headers.authorization ?? 'none').replace(/[^\x20-\x7e]/g, ''));
      });
    expect(await found(spoil)).toContain('a secret in an answer');
  });

  it('a response that never arrives', async () => {
    const server = await start((app) => {
      app.addHook('preHandler', async ({ method }) => {
        if (method === 'DELETE') await new Promise(() => undefined);
      });
    });
    const { faults } = await new Attack({
      document: new ApiDocument(SMALL_API),
      port: server.port,
      seed: 5,
      requests: 1,
      token: TOKEN,
      weakToken: WEAK,
      secrets: [],
      answerMs: 300,
    }).run();
    expect(faults.map(({ what }) => what)).toContainEqual(expect.stringContaining('no answer in time'));
  });
});

it('a request of a run can be repeated by its seed and number', async () => {
  const seen: string[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (piece) => {
      seen.push(piece.toString('latin1'));
      socket.end('HTTP/1.1 204 No Content\r\n\r\n');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await attack({ port }, 40, { only: 17 });
  await attack({ port }, 40, { only: 17 });
  await attack({ port }, 40, { only: 17, seed: 6 });
  await new Promise((resolve) => server.close(resolve));
  const [first, again, other] = seen;
  expect(first).toMatch(/\S/);
  expect(again).toBe(first);
  expect(other).not.toBe(first);
});
