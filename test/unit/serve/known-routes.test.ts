import { describe, expect, it } from 'vitest';
import { KnownRoutes } from '../../../src/lib/serve/http/known-routes.js';

describe('the routes that a server knows', () => {
  const known = new KnownRoutes();
  known.add('/', 'GET');
  known.add('/v1/jobs/:id', ['GET', 'DELETE']);
  known.add('/v1/jobs/:id', 'PUT');
  known.add('/autoscale/*', 'GET');
  known.add('/openapi.json', 'GET');

  it.each([
    ['/', ['GET']],
    ['/v1/jobs/a%20b', ['DELETE', 'GET', 'PUT']],
    ['/autoscale/a/b', ['GET']],
    ['/openapi.json', ['GET']],
    ['/openapi-json', []],
    ['/v1/jobs/', []],
    ['/v1/jobs/a/b', []],
    ['//', []],
    ['', []],
  ])('name the methods of %s: %s', (path, methods) => {
    expect(known.methodsOf(path)).toEqual(methods);
  });
});
