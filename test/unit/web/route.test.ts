import { describe, expect, it } from 'vitest';
import { parseRoute, routeHref } from '../../../src/web/route.js';

describe('addresses of the page', () => {
  it.each([
    ['', 'overview', undefined],
    ['#/', 'overview', undefined],
    ['#/nowhere', 'overview', undefined],
    ['#/constructor', 'overview', undefined],
    ['#/queues', 'queues', undefined],
    ['#/workers/gpu-1', 'workers', 'gpu-1'],
    ['#/jobs/%E0%A4%A', 'jobs', '%E0%A4%A'],
  ])('%s is %s of %s', (hash, page, item) => expect(parseRoute(hash)).toMatchObject({ page, item }));

  it.each(['a/b', 'a?b#c', 'ä ö', '100%', '..'])('keep an id such as %s', (id) => {
    expect(parseRoute(routeHref('jobs', id))).toMatchObject({ page: 'jobs', item: id });
  });

  it('keep filters and range, without those that are empty', () => {
    const href = routeHref('jobs', undefined, {
      state: 'failed',
      error: 'NaN & "more"',
      queue: '',
      model: undefined,
    });
    expect(parseRoute(href).params).toEqual({ state: 'failed', error: 'NaN & "more"' });
  });
});
