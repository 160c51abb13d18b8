import { describe, expect, it } from 'vitest';
import type { LoadedSettings } from '../../../src/lib/config/load.js';
import { connectionSettings, resultSettings } from '../../../src/lib/redis/from-settings.js';

const loaded = {
  values: { redisUrl: 'redis://a:1', resultUrl: 'redis://b:1', stateDir: '/s' },
  sources: { redisUrl: { kind: 'flag' }, resultUrl: { kind: 'flag' } },
} as unknown as LoadedSettings;

describe('time limits of a Redis connection', () => {
  it.each([
    [undefined, 5000],
    [60_000, 5000],
    [1200, 1200],
    [300, 1000],
    [0, 1000],
  ])('with a patience of %s ms are %i for connecting and for an answer', (patienceMs, ms) => {
    for (const settings of [
      connectionSettings(loaded, false, { patienceMs }),
      resultSettings(loaded, { patienceMs }),
    ])
      expect(settings).toMatchObject({ connectTimeoutMs: ms, answerTimeoutMs: ms });
  });
});
