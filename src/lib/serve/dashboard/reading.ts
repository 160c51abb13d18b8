import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { worded } from '../../redis/worded.js';
import type { Gateway } from '../gateway/gateway.js';
import { patiently } from '../gateway/jobs/patience.js';
import type { App } from '../http/app.js';
import { fitting } from '../http/body.js';

/** What a page asks for: its query, the id in its address if there is one, and the caller. */
export interface Asked<Query> {
  query: Query;
  id: string;
  request: FastifyRequest;
}

/** Adds routes that read; each needs the scope `read:all`, and waits for Redis as long as is useful. */
export function readingRoutes(app: App, gateway: Gateway, at: string) {
  return <Schema extends z.ZodType>(
    path: string,
    query: Schema,
    read: (asked: Asked<z.output<Schema>>) => Promise<object>,
  ): void => {
    app.get(
      `${at}/api/${path}`,
      { config: { access: 'read:all' }, schema: { hide: true } },
      async (request) => {
        const asked = {
          query: fitting(query, request.query),
          id: (request.params as { id?: string }).id ?? '',
          request,
        };
        return patiently(gateway, request.signal, worded(gateway.client.redis, read(asked)));
      },
    );
  };
}
