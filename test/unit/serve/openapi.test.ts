import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { InferError } from '../../../src/lib/core/errors.js';
import type { Caller } from '../../../src/lib/serve/auth/caller.js';
import { type App, createApp, problemForm } from '../../../src/lib/serve/http/app.js';
import { type Listening, listen } from '../../../src/lib/serve/http/listen.js';
import { makeDocument, type OpenapiDocument } from '../../../src/lib/serve/openapi/document.js';
import { errorCodes } from '../../../src/lib/serve/openapi/error-answers.js';
import { noteRoutes } from '../../../src/lib/serve/openapi/noted-routes.js';
import { gatewayWithoutRedis, openapiProblems } from '../../support/openapi.js';

const open: Listening[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close(0)));
});

const start = async (app: App): Promise<string> => {
  const server = await listen(app, { host: '127.0.0.1', port: 0 });
  open.push(server);
  return server.url;
};
const jsonOf = async <T>(url: string, headers: Record<string, string> = {}): Promise<T> => {
  const answer = await fetch(url, { headers });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
  return (await answer.json()) as T;
};
const documentOf = (url: string, headers: Record<string, string> = {}) =>
  jsonOf<OpenapiDocument>(`${url}/openapi.json`, headers);

/** One operation of a document with where it is. */
const operationsOf = ({ paths }: OpenapiDocument) =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      operation,
    })),
  );

type Json = Record<string, unknown>;

describe('the OpenAPI document', () => {
  it('is valid, and its examples fit their schemas', async () => {
    const url = await start(gatewayWithoutRedis());
    expect(await openapiProblems(await documentOf(url))).toEqual([]);
  });

  it('is found wrong where it is', async () => {
    const url = await start(gatewayWithoutRedis());
    const document = await documentOf(url);
    const body = document.paths['/predict']?.post?.requestBody?.content['application/json'] as Json;
    body.schema = { type: 'string' };
    const jobs = document.paths['/v1/jobs/{id}']?.get as unknown as { parameters: Json[] };
    delete jobs.parameters[0]?.description;
    const problems = await openapiProblems(document);
    expect(problems.sort()).toEqual([
      expect.stringMatching(/^no-invalid-media-type-examples .*predict/),
      expect.stringMatching(/^parameter-description /),
    ]);
  });

  it('has every route of the server, and nothing else', async () => {
    const url = await start(gatewayWithoutRedis());
    const { routes } = await jsonOf<{ routes: { method: string; path: string }[] }>(`${url}/`);
    const listed = routes.map(({ method, path }) => {
      const named = path.replace(/:(\w+)/g, '{$1}').replace('/autoscale/*', '/autoscale/{queues}');
      return `${method} ${named}`;
    });
    const documented = operationsOf(await documentOf(url)).map(({ name }) => name);
    expect(documented.sort()).toEqual(listed.sort());
    expect(documented).toContain('POST /v1/workers/{worker}/load');
    expect(documented.length).toBeGreaterThan(50);
  });

  it('says of every parameter what it is, and of every body what it holds', async () => {
    const url = await start(gatewayWithoutRedis());
    const document = await documentOf(url);
    const { parameters: shared = {} } = document.components;
    for (const { name, operation } of operationsOf(document)) {
      for (const given of operation.parameters ?? []) {
        const parameter = '$ref' in given ? shared[String(given.$ref).split('/').at(-1) as string] : given;
        expect((parameter as Json).description, `${name}: ${JSON.stringify(parameter)}`).toMatch(/\w{2}/);
        expect((parameter as Json).schema, name).not.toEqual({});
      }
      for (const [type, media] of Object.entries(operation.requestBody?.content ?? {})) {
        const schema = (media as { schema: Json }).schema;
        const says = ['type', '$ref', 'anyOf', 'oneOf', 'allOf', 'enum'].some((word) => word in schema);
        expect(says, `${name} ${type}: ${JSON.stringify(schema)}`).toBe(true);
      }
    }
  });

  it('has an example of every JSON body and answer that is no error', async () => {
    const url = await start(gatewayWithoutRedis());
    const without = operationsOf(await documentOf(url)).flatMap(({ name, operation }) => {
      const bodies = [
        ...Object.entries(operation.requestBody?.content ?? {}),
        ...Object.entries(operation.responses).flatMap(([status, { content = {} }]) =>
          status.startsWith('2') ? Object.entries(content as Json) : [],
        ),
      ];
      const missing = bodies.filter(
        ([type, media]) =>
          type === 'application/json' && !('example' in (media as Json)) && !('examples' in (media as Json)),
      );
      return missing.length === 0 ? [] : [name];
    });
    // The document itself, which is longer than any example.
    expect(without).toEqual(['GET /openapi.json', 'GET /v1/schema']);
  });

  it('tells the scope of each route, and that tokens are asked for only where they are', async () => {
    const tokens = { find: (): Caller | undefined => undefined };
    const guarded = await documentOf(await start(gatewayWithoutRedis({ tokens })));
    expect(guarded.paths['/v1/jobs']?.post?.security).toEqual([{ bearer: ['submit'] }]);
    expect(guarded.paths['/v1/jobs']?.get?.security).toEqual([{ bearer: ['read'] }]);
    expect(guarded.paths['/v2']?.get?.security).toEqual([{ bearer: [] }]);
    expect(guarded.paths['/v1/queues/{queue}/purge']?.post?.security).toEqual([{ bearer: ['control'] }]);
    expect(guarded.paths['/healthz']?.get?.security).toEqual([]);
    expect(guarded.paths['/openapi.json']?.get?.security).toEqual([{}, { bearer: [] }]);
    const free = await documentOf(await start(gatewayWithoutRedis()));
    expect(free.paths['/v1/jobs']?.post?.security).toEqual([{}, { bearer: ['submit'] }]);
    expect(await openapiProblems(guarded)).toEqual([]);
  });

  it('is for everyone, but a token that is sent has to be valid', async () => {
    const known: Caller = { name: 'web', allows: () => true };
    const tokens = { find: (token: string) => (token === 'right' ? known : undefined) };
    const url = await start(gatewayWithoutRedis({ tokens }));
    expect((await fetch(`${url}/openapi.json`)).status).toBe(200);
    expect(Object.keys((await documentOf(url, { authorization: 'Bearer right' })).paths)).toContain(
      '/predict',
    );
    const refused = await fetch(`${url}/openapi.json`, { headers: { authorization: 'Bearer wrong' } });
    expect(refused.status).toBe(401);
    expect((await fetch(`${url}/v1/models`)).status).toBe(401);
  });

  it('names the base path, and is found below it', async () => {
    const url = await start(gatewayWithoutRedis({ basePath: '/ml/infer' }));
    expect((await fetch(`${url}/openapi.json`)).status).toBe(404);
    const document = await documentOf(`${url}/ml/infer`);
    expect(document.servers.map((server) => server.url)).toEqual(['/ml/infer']);
    expect(document.paths['/v1/jobs']).toBeDefined();
    expect(document.info).toMatchObject({ title: 'infer', version: '1.2.3' });
    expect((await documentOf(await start(gatewayWithoutRedis()))).servers[0]?.url).toBe('/');
  });

  it('says when to come again, and where to go on', async () => {
    const { paths, components } = await documentOf(await start(gatewayWithoutRedis()));
    const submit = paths['/v1/jobs']?.post;
    const responses = (submit?.responses ?? {}) as Record<string, { headers?: Json }>;
    const parameters = submit?.parameters ?? [];
    expect(Object.keys(responses['202']?.headers ?? {})).toEqual(
      expect.arrayContaining(['Location', 'Retry-After', 'RateLimit', 'RateLimit-Policy']),
    );
    expect(Object.keys(responses['429']?.headers ?? {})).toContain('Retry-After');
    expect(Object.keys(responses['503']?.headers ?? {})).toContain('Retry-After');
    expect(Object.keys(responses['401']?.headers ?? {})).toEqual(['WWW-Authenticate']);
    const refs = parameters.map(({ $ref }) => $ref);
    expect(refs).toContain('#/components/parameters/IdempotencyKey');
    expect(components.parameters?.Prefer).toMatchObject({ name: 'Prefer', in: 'header' });
  });
});

describe('the documented errors', () => {
  it('follow from what a route says of itself, with their statuses', async () => {
    const app = createApp({ maxBody: 1, answerMs: 1000, connections: 1, onFailure: () => undefined });
    const routes = noteRoutes(app);
    app.get(
      '/things/:id',
      {
        config: {
          access: 'read',
          doc: {
            id: 'getThing',
            topic: 'Jobs',
            summary: 'a thing',
            answers: { 200: { description: 'the thing' } },
            errors: ['JOB_UNKNOWN', 'QUEUE_FULL', 'RATE_LIMIT'],
          },
        },
        schema: { params: z.object({ id: z.string().describe('its id') }) },
      },
      async () => ({}),
    );
    await app.ready();
    const { paths } = makeDocument(routes, { version: '1', basePath: '', tokens: true });
    const responses = paths['/things/{id}']?.get?.responses ?? {};
    expect(Object.keys(responses)).toEqual([
      '200',
      '400',
      '401',
      '403',
      '404',
      '408',
      '421',
      '429',
      '431',
      '500',
      '503',
    ]);
    expect(responses['503']).toMatchObject({
      description: 'Service Unavailable: HTTP_LATE, QUEUE_FULL',
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    });
    expect(responses['403']?.description).toBe('Forbidden: TOKEN_SCOPE');
    await app.close();
  });

  it('have the status and the form that clients of the route read', async () => {
    const { paths } = await documentOf(await start(gatewayWithoutRedis()));
    const responsesOf = (path: string, method: string) =>
      paths[path]?.[method]?.responses as Record<string, { content: Record<string, { schema: Json }> }>;
    const infer = responsesOf('/v2/models/{model}/infer', 'post');
    // What is wrong with a request is one status there.
    expect(Object.keys(infer)).not.toEqual(expect.arrayContaining(['422']));
    expect(infer['400']?.content['application/json']?.schema.$ref).toMatch(/Problem$/);
    const embeddings = responsesOf('/v1/embeddings', 'post');
    expect(embeddings['404']?.content['application/json']?.schema.$ref).toMatch(/OpenaiError$/);
    // Headers that are late are refused before there is a route.
    expect(Object.keys(embeddings['408']?.content ?? {})).toEqual([
      'application/json',
      'application/problem+json',
    ]);
    const recipe = responsesOf('/result/{id}', 'get')['404']?.content['application/json']?.schema;
    expect(recipe).toMatchObject({ properties: { status: {} } });
    const jobs = responsesOf('/v1/jobs/{id}/result', 'get');
    expect(Object.keys(jobs)).toEqual(
      expect.arrayContaining(['406', '409', '410', '422', '500', '502', '504']),
    );
  });

  it('are JSON for every route and status', async () => {
    const document = await documentOf(await start(gatewayWithoutRedis()));
    for (const { name, operation } of operationsOf(document)) {
      for (const [status, answer] of Object.entries(operation.responses)) {
        if (Number(status) < 400) continue;
        const content = Object.keys((answer.content ?? {}) as Json);
        expect(content.length, `${name} ${status}`).toBeGreaterThan(0);
        expect(
          content.every((type) => /json$/.test(type)),
          `${name} ${status}: ${content}`,
        ).toBe(true);
      }
    }
  });

  it('follow from method, access, parameters and body', () => {
    const doc = { id: 'x', topic: 'Jobs', summary: 'x', answers: {} } as const;
    const plain = { method: 'GET', access: 'open', errorForm: undefined, hasParameters: false, doc } as const;
    const codes = (more: object) => errorCodes({ ...plain, ...more });
    expect(codes({})).not.toContain('TOKEN');
    expect(codes({ access: 'optional' })).toContain('TOKEN');
    expect(codes({ access: 'known' })).not.toContain('TOKEN_SCOPE');
    expect(codes({ access: 'submit' })).toContain('TOKEN_SCOPE');
    expect(codes({ method: 'DELETE' })).toEqual(expect.arrayContaining(['HTTP_ORIGIN', 'INPUT_FORMAT']));
    expect(codes({ hasParameters: true })).toContain('PARAMETER');
    const body = { required: true, content: {} };
    expect(codes({ doc: { ...doc, body } })).toEqual(
      expect.arrayContaining(['INPUT_JSON', 'INPUT_TOO_LARGE']),
    );
    expect(problemForm(new InferError('JOB_UNKNOWN', 'x'), '/', '').contentType).toMatch(/problem/);
  });
});

describe('/docs', () => {
  it('is a page whose every file comes from this server', async () => {
    const url = await start(gatewayWithoutRedis({ basePath: '/ml' }));
    const page = await fetch(`${url}/ml/docs`);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    // No host, no scheme but data: for pictures, no script in the page.
    expect(policy.match(/https?:|\*|unsafe/g)).toBeNull();
    expect(policy.replace("img-src 'self' data:", '')).not.toContain('data:');
    const html = await page.text();
    expect(html).not.toMatch(/<script>|<style|https?:|\/\/|style=|\son\w+=/);
    const links = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link as string);
    expect(links).toHaveLength(5);
    for (const link of links) {
      const file = await fetch(new URL(link, `${url}/ml/docs`));
      expect(file.status, link).toBe(200);
      expect((await file.text()).length, link).toBeGreaterThan(100);
    }
  });

  it('starts with the document of this server, and asks no one else whether it is valid', async () => {
    const url = await start(gatewayWithoutRedis());
    const script = await fetch(`${url}/docs/start.js`);
    expect(script.headers.get('content-type')).toMatch(/^text\/javascript/);
    const text = await script.text();
    expect(text).toContain("new URL('openapi.json', document.baseURI)");
    expect(text).toContain('validatorUrl: null');
    expect(text).not.toMatch(/https?:/);
    expect(() => new Function(text)).not.toThrow();
  });

  it('leads back to itself with a slash too many, and has no other files', async () => {
    const url = await start(gatewayWithoutRedis({ basePath: '/ml' }));
    expect((await fetch(`${url}/ml/docs/`)).url).toBe(`${url}/ml/docs`);
    for (const file of [
      'none.js',
      '..%2fpackage.json',
      '..%2f..%2fpackage.json',
      'index.html',
      'constructor',
    ])
      expect((await fetch(`${url}/ml/docs/${file}`)).status, file).toBe(404);
  });
});
