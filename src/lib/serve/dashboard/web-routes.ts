import type { FastifyReply, FastifyRequest } from 'fastify';
import { InferError } from '../../core/errors.js';
import type { App } from '../http/app.js';
import { vary } from '../http/vary.js';
import { PAGE, type WebFile } from './web-files.js';

const FOREVER = 'public, max-age=31536000, immutable';
/** Asked for again each time, by its tag. */
const AGAIN = 'no-cache';

/** The page and its files. They hold no data, so no token is needed; each request for data needs its own. */
export function addWebRoutes(app: App, at: string, files: ReadonlyMap<string, WebFile>): void {
  const route = { config: { access: 'open' as const }, schema: { hide: true } };
  app.get(`${at}/`, route, async (request, reply) => {
    // A base path without its slash arrives here too: the page's relative addresses would lead above it.
    const [path = ''] = request.originalUrl.split('?', 1);
    return path.endsWith('/') ? answer(request, reply, files.get(PAGE)) : withSlash(path, reply);
  });
  if (at !== '') app.get(at, route, async (_request, reply) => withSlash(at, reply));
  app.get(`${at}/*`, route, async (request, reply) =>
    answer(request, reply, files.get((request.params as { '*': string })['*'])),
  );
}

/** Relative, so that it also holds behind a proxy that takes a prefix away. */
function withSlash(path: string, reply: FastifyReply): FastifyReply {
  return reply
    .code(308)
    .header('location', `${path.slice(path.lastIndexOf('/') + 1)}/`)
    .send();
}

async function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  file: WebFile | undefined,
): Promise<FastifyReply> {
  if (file === undefined) throw new InferError('HTTP_ROUTE', 'there is nothing at this address');
  const { etag, type, immutable } = file;
  reply.header('cache-control', immutable ? FOREVER : AGAIN).type(type);
  vary(reply, 'accept-encoding');
  const { headers } = request;
  const encoding = encodingOf(headers['accept-encoding']);
  const encoded = encoding === undefined ? undefined : await file.encoded(encoding);
  // Each form has a tag of its own: a cache may keep several.
  const tag = encoded === undefined ? etag : `${etag.slice(0, -1)}-${encoding}"`;
  reply.header('etag', tag);
  if (isKnown(headers['if-none-match'], tag)) return reply.code(304).send();
  if (encoded !== undefined) reply.header('content-encoding', encoding);
  return reply.send(encoded ?? file.body);
}

function encodingOf(accepted = ''): 'br' | 'gzip' | undefined {
  const names = accepted
    .toLowerCase()
    .split(',')
    .map((one) => one.trim())
    .filter((one) => !/;\s*q=0(?:\.0*)?$/.test(one))
    .map((one) => one.split(';', 1)[0]?.trim());
  return names.includes('br') ? 'br' : names.includes('gzip') ? 'gzip' : undefined;
}

function isKnown(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header === '*' || header.split(',').some((one) => one.trim().replace(/^W\//, '') === etag);
}
