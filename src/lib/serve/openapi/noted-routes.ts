import type { FastifyContextConfig } from 'fastify';
import type { z } from 'zod';
import type { App } from '../http/app.js';

/** A route as the OpenAPI document reads it. */
export interface NotedRoute {
  method: string;
  /** As it was given to Fastify: `/v1/jobs/:id`. */
  url: string;
  config: FastifyContextConfig;
  params: z.ZodObject | undefined;
  query: z.ZodObject | undefined;
  /** Schemas of JSON answers by status. */
  answers: Readonly<Record<number, z.ZodType>>;
  /** It is left out of the document. */
  hidden: boolean;
}

interface RouteSchema {
  params?: z.ZodObject;
  querystring?: z.ZodObject;
  response?: Record<number, z.ZodType>;
  hide?: boolean;
}

/** Notes the routes that are added from now on, without those for HEAD, which GET implies. */
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
