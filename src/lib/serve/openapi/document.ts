import type { z } from 'zod';
import type { RouteAccess } from '../auth/caller.js';
import type { AnswerDoc, AnswerHeader, ContentDoc, JsonSchema, RouteDoc } from '../http/route-doc.js';
import { errorAnswers } from './error-answers.js';
import { ANSWER_HEADERS, componentName, headerComponents, parameterComponents } from './headers.js';
import { DESCRIPTION, TOPICS } from './introduction.js';
import { SchemaComponents } from './json-schema.js';
import type { NotedRoute } from './noted-routes.js';
import { TENSOR_COMPONENTS } from './tensor-schemas.js';

/** An OpenAPI document, version 3.1. */
export interface OpenapiDocument {
  openapi: '3.1.1';
  info: JsonSchema;
  servers: { url: string; description: string }[];
  tags: { name: string; description: string }[];
  paths: Record<string, PathItem>;
  components: Record<string, Record<string, unknown>>;
}

/** Operations of a path by method, lower case. */
export type PathItem = Record<string, Operation>;

export interface Operation {
  operationId: string;
  tags: string[];
  summary: string;
  description?: string;
  security: JsonSchema[];
  parameters?: JsonSchema[];
  requestBody?: { required: boolean; content: Record<string, JsonSchema> };
  responses: Record<string, JsonSchema>;
}

export interface DocumentFacts {
  /** Version of the package. */
  version: string;
  /** Prefix of all paths; '' for none. */
  basePath: string;
  /** Whether callers must have a token. */
  tokens: boolean;
}

const JSON_TYPE = 'application/json';
const NO_CONTENT = 204;
/** A path parameter in Fastify's syntax, or a wildcard. */
const PARAMETER = /:([A-Za-z]\w*)|\*/g;

/**
 * The document of a server's routes, made from the schemas that validate their requests and from their
 * `config.doc`. Pure. Routes without a `doc` are left out.
 */
export function makeDocument(routes: readonly NotedRoute[], facts: DocumentFacts): OpenapiDocument {
  const components = new SchemaComponents();
  const paths: Record<string, PathItem> = {};
  const seen = new Set<string>();
  for (const route of routes) {
    const { doc } = route.config;
    if (route.hidden || doc === undefined) continue;
    const path = pathOf(route.url, doc);
    // A route with two methods has two operations.
    const operationId = seen.has(doc.id) ? `${doc.id}By${capital(route.method)}` : doc.id;
    seen.add(doc.id);
    paths[path] ??= {};
    (paths[path] as PathItem)[route.method.toLowerCase()] = {
      operationId,
      ...operationOf(route, doc, components, facts.tokens),
    };
  }
  const { version, basePath } = facts;
  return {
    openapi: '3.1.1',
    info: {
      title: 'infer',
      version,
      description: DESCRIPTION,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: basePath === '' ? '/' : basePath, description: 'this server' }],
    tags: Object.entries(TOPICS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: { ...TENSOR_COMPONENTS, ...components.schemas },
      parameters: parameterComponents(),
      headers: headerComponents(),
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'a token made by `infer token create`; each route lists the scope that it needs',
        },
      },
    },
  };
}

function operationOf(
  route: NotedRoute,
  doc: RouteDoc,
  components: SchemaComponents,
  tokens: boolean,
): Omit<Operation, 'operationId'> {
  const { topic, summary, description, body, headers = [] } = doc;
  const params = doc.params ?? route.params;
  const query = doc.query ?? route.query;
  const parameters = [
    ...parametersOf(params, 'path', components),
    ...parametersOf(query, 'query', components),
    ...headers.map((header) => ({ $ref: `#/components/parameters/${componentName(header)}` })),
  ];
  return {
    tags: [topic],
    summary,
    ...(description === undefined ? {} : { description }),
    security: securityOf(route.config.access ?? 'known', tokens),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : {
          requestBody: { required: body.required, content: contentOf(body.content, components, 'input') },
        }),
    responses: responsesOf(route, doc, components, params !== undefined || query !== undefined),
  };
}

/** `/v1/jobs/:id` as `/v1/jobs/{id}`. A wildcard (`*`) gets the name of the only parameter. */
function pathOf(url: string, { params }: Pick<RouteDoc, 'params'>): string {
  const [rest = 'rest'] = Object.keys(params?.shape ?? {});
  return url.replace(PARAMETER, (_, name: string | undefined) => `{${name ?? rest}}`);
}

function capital(method: string): string {
  return method.charAt(0) + method.slice(1).toLowerCase();
}

/**
 * The required token and scope. A server without tokens still accepts one, so that the same client works with
 * servers that require it. Scopes are written as roles, which OpenAPI 3.1 allows.
 */
function securityOf(access: RouteAccess, tokens: boolean): JsonSchema[] {
  if (access === 'open') return [];
  const bearer = { bearer: access === 'known' || access === 'optional' ? [] : [access] };
  return tokens && access !== 'optional' ? [bearer] : [{}, bearer];
}

function parametersOf(
  schema: z.ZodObject | undefined,
  place: 'path' | 'query',
  components: SchemaComponents,
): JsonSchema[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = components.of(schema, 'input') as {
    properties?: Record<string, JsonSchema>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    description,
    schema: rest,
  }));
}

function contentOf(
  content: ContentDoc,
  components: SchemaComponents,
  way: 'input' | 'output',
): Record<string, JsonSchema> {
  return Object.fromEntries(
    Object.entries(content).map(([type, { schema, examples }]) => [
      type,
      { schema: components.of(schema, way), ...(examples === undefined ? {} : { examples }) },
    ]),
  );
}

function responsesOf(
  { method, config, answers }: NotedRoute,
  doc: RouteDoc,
  components: SchemaComponents,
  hasParameters: boolean,
): Record<string, JsonSchema> {
  const responses: Record<string, JsonSchema> = {};
  const { access = 'known', errorForm } = config;
  for (const [status, error] of errorAnswers({ method, access, errorForm, hasParameters, doc })) {
    const content = Object.fromEntries(
      Object.entries(error.content).flatMap(([type, schema]) =>
        schema === undefined ? [] : [[type, { schema: components.of(schema, 'output') }]],
      ),
    );
    responses[status] = {
      description: error.description,
      ...headersOf(error.headers),
      ...(Object.keys(content).length === 0 ? {} : { content }),
    };
  }
  for (const [key, answer] of Object.entries(doc.answers)) {
    const status = Number(key);
    const content = answerContent(status, answer, answers[status], components);
    const error = responses[status] as (JsonSchema & { content?: JsonSchema }) | undefined;
    responses[status] = {
      ...error,
      description: error === undefined ? answer.description : `${answer.description}; ${error.description}`,
      ...(answer.headers === undefined ? {} : headersOf(answer.headers)),
      ...(content === undefined ? {} : { content: { ...error?.content, ...content } }),
    };
  }
  return responses;
}

function answerContent(
  status: number,
  { content, example }: AnswerDoc,
  schema: z.ZodType | undefined,
  components: SchemaComponents,
): Record<string, JsonSchema> | undefined {
  if (content !== undefined) return contentOf(content, components, 'output');
  if (schema === undefined || status === NO_CONTENT) return undefined;
  return {
    [JSON_TYPE]: {
      schema: components.of(schema, 'output'),
      ...(example === undefined ? {} : { example }),
    },
  };
}

function headersOf(headers: readonly AnswerHeader[]): { headers?: JsonSchema } {
  if (headers.length === 0) return {};
  return {
    headers: Object.fromEntries(
      headers.map((header) => {
        const { name } = ANSWER_HEADERS[header];
        return [name, { $ref: `#/components/headers/${componentName(header)}` }];
      }),
    ),
  };
}
