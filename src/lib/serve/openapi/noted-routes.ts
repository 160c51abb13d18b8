import type { FastifyContextConfig } from 'fastify';
import type { z } from 'zod';
import type { App } from '../http/app.js';

/** A route, with what the OpenAPI document needs. */
export interface NotedRoute {
  method: string;
  /** As registered with Fastify: `/v1/jobs/:id`. */
  url: string;
  config: FastifyContextConfig;
  params: z.ZodObject | undefined;
  query: z.ZodObject | undefined;
  /** Schemas of JSON responses by status. */
  answers: Readonly<Record<number, z.ZodType>>;
  /** Omitted from the document. */
  hidden: boolean;
}

interface RouteSchema {
  params?: z.ZodObject;
  querystring?: z.ZodObject;
  response?: Record<number, z.ZodType>;
  hide?: boolean;
}

/** Records routes added from now on, except those for HEAD, which GET implies. */
export function noteRoutes(app: App): readonly NotedRoute[] {
  const routes: NotedRoute[] = [];
  app.addHook('onRoute', ({ method, url, config = {}, schema }) => {
    const { params, querystring, response = {}, hide = false } = (schema ?? {}) as RouteSchema;
    for (const one of [method].flat()) {
      if (one === 'HEAD' || one === 'OPTIONS') continue;
      routes.push({ method: one, url, config, params, query: querystring, answers: response, hidden: hide });
    }
  });
  return routes;
}
