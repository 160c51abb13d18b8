import { describe, expect, it } from 'vitest';
import { bearerMatches, findRoute, type RouteTable, textReply } from '../../../src/lib/serve/routes.js';

const route = { handle: async () => textReply(200, '') };
const routes: RouteTable = { '/': route, '/metrics': route, '/autoscale/': route, '/autoscale/all': route };

describe('routing', () => {
  it.each([
    ['/', '/', ''],
    ['/metrics', '/metrics', ''],
    ['/autoscale/realtime', '/autoscale/', 'realtime'],
    ['/autoscale/a%20b', '/autoscale/', 'a b'],
    ['/autoscale/', '/autoscale/', ''],
  ])('matches %s', (path, _key, rest) => {
    expect(findRoute(routes, path)?.rest).toBe(rest);
  });

  it('prefers an exact path to its prefix', () => {
    const exact = { handle: async () => textReply(200, 'exact') };
    expect(findRoute({ ...routes, '/autoscale/all': exact }, '/autoscale/all')?.route).toBe(exact);
  });

  it.each([
    ['/metrics/'],
    ['/metric'],
    ['/autoscale'],
    ['/autoscale/%'],
    ['//metrics'],
    ['/__proto__'],
    [''],
  ])('does not match %s', (path) => {
    expect(findRoute(routes, path)).toBeUndefined();
  });
});

describe('a bearer token', () => {
  it.each([
    ['Bearer s3cret', true],
    ['bearer s3cret', true],
    ['Bearer s3cre', false],
    ['Bearer s3cretx', false],
    ['Basic s3cret', false],
    ['Bearer ', false],
    [undefined, false],
  ])('in %s matches: %s', (header, matches) => {
    expect(bearerMatches(header, 's3cret')).toBe(matches);
  });
});
