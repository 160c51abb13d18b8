import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'vitest';
import { InferHttp } from '../../../src/lib/http-client/infer-http.js';
import type { HttpOptions } from '../../../src/lib/http-client/types.js';

/** A request as the server saw it. */
export interface Seen {
  method: string;
  /** With its query. */
  url: string;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** What a server does with the nth request, counted from 0. */
type Answer = (request: Seen, response: ServerResponse, nth: number) => void | Promise<void>;

export interface FakeGateway {
  url: string;
  /** All requests whose body was read. */
  seen: Seen[];
  client(options?: Partial<HttpOptions>): InferHttp;
}

const closings: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closings.splice(0).map((close) => close()));
});

/** A server on a free port until the end of the test. `answer` is called when the body has come. */
export async function fakeGateway(answer: Answer): Promise<FakeGateway> {
  const seen: Seen[] = [];
  return bareGateway(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const { method = '', url = '', headers } = request;
    const one = { method, url, headers, body: Buffer.concat(pieces) };
    seen.push(one);
    await answer(one, response, seen.length - 1);
  }, seen);
}

/** The same, with a body that is not read. */
export async function bareGateway(
  handle: (request: IncomingMessage, response: ServerResponse) => unknown,
  seen: Seen[] = [],
): Promise<FakeGateway> {
  const server = createServer((request, response) => {
    // A connection that the test breaks has nothing to tell.
    Promise.resolve(handle(request, response)).catch(() => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closings.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, seen, client: (options) => new InferHttp({ url, ...options }) };
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** An error as the gateway answers it. */
export function sendProblem(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
  more: object = {},
): void {
  const body = { type: `/errors/${code}`, status, code, detail: `the text of ${code}`, ...more };
  const type = { 'content-type': 'application/problem+json', 'x-request-id': 'request-1' };
  response.writeHead(status, { ...type, ...headers }).end(JSON.stringify(body));
}

const SELF = '/v1/jobs/a';
/** A job as the gateway shows it. */
export const JOB = {
  id: 'a',
  kind: 'job',
  queue: 'realtime',
  model: 'digits',
  state: 'waiting',
  rows: 1,
  priority: 0,
  urls: { self: SELF, result: `${SELF}/result`, events: `${SELF}/events`, cancel: `${SELF}/cancel` },
};
export const DONE = { ...JOB, state: 'completed', result: { class: 7 } };
