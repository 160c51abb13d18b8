import { z } from 'zod';
import { InferError } from '../../core/errors.js';
import type { Gateway } from '../gateway/gateway.js';
import type { App } from '../http/app.js';
import type { Documents } from './documents.js';
import type { NotedRoute } from './noted-routes.js';
import { DOCS_DOC, OPENAPI_DOC, SCHEMA_DOC } from './openapi-docs.js';

/** How long browsers cache the page's own files, s; a new release may change them. */
const KEPT_S = 3600;

/**
 * `/openapi.json` and `/docs`, which renders it. Their modules are loaded on first use.
 * @param tokens whether callers must have one
 */
export function addOpenapiRoutes(
  app: App,
  gateway: Gateway,
  { routes, tokens }: { routes: readonly NotedRoute[]; tokens: boolean },
): void {
  let documents: Promise<Documents> | undefined;
  const load = async () => {
    const { Documents: Made } = await import('./documents.js');
    return new Made(gateway, routes, tokens);
  };
  for (const [path, doc] of [
    ['/openapi.json', OPENAPI_DOC],
    ['/v1/schema', SCHEMA_DOC],
  ] as const) {
    app.get(path, { config: { access: 'optional', doc } }, async (request, reply) => {
      documents ??= load();
      const text = await (await documents).textFor(request.caller);
      return reply.type('application/json').send(text);
    });
  }
  app.get('/docs', { config: { access: 'open', doc: DOCS_DOC } }, async (_request, reply) => {
    const { PAGE, PAGE_POLICY } = await import('./docs-page.js');
    return reply
      .header('content-security-policy', PAGE_POLICY)
      .header('referrer-policy', 'no-referrer')
      .type('text/html; charset=utf-8')
      .send(PAGE);
  });
  app.get(
    '/docs/:file',
    { config: { access: 'open' }, schema: { hide: true, params: z.object({ file: z.string() }) } },
    async ({ params: { file } }, reply) => {
      // The page with a trailing slash: redirect, because its files have relative addresses.
      if (file === '') return reply.redirect('../docs');
      const { pageFile } = await import('./docs-page.js');
      const found = await pageFile(file);
      if (found === undefined) {
        throw new InferError('HTTP_ROUTE', 'the documentation has no such file', { hint: 'GET /docs' });
      }
      return reply.header('cache-control', `max-age=${KEPT_S}`).type(found.type).send(found.body);
    },
  );
}
