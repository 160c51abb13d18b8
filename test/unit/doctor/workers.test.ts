import { describe, expect, it } from 'vitest';
import {
  judgeChanged,
  judgeServedVersions,
  type OnDisk,
} from '../../../src/lib/doctor/checks/model-files.js';
import {
  judgeBeats,
  judgeCores,
  judgeVersions,
  judgeWorkerClocks,
} from '../../../src/lib/doctor/checks/workers.js';
import type { ModelSignature } from '../../../src/lib/model/signature.js';
import { NOW, worker } from './records.js';

const look = (at: number, ...workers: ReturnType<typeof worker>[]) => ({ at, workers });

describe('workers are alive', () => {
  const old = worker({ beatAt: NOW - 7000 });
  it.each([
    ['none', [], [], 'skip'],
    ['beating', [worker({ beatAt: NOW - 1500 })], [worker()], 'ok'],
    ['not between the looks, but of late', [worker()], [worker()], 'ok'],
    ['silent', [old], [old], 'fail'],
    ['a late clock is not silence', [worker({ beatAt: NOW - 8000 })], [old], 'ok'],
    ['held up', [worker()], [worker({ loopLagMs: 2500 })], 'warn'],
  ])('%s', (_, before, after, status) => {
    expect(judgeBeats(look(NOW - 1250, ...before), look(NOW, ...after)).status).toBe(status);
  });
});

describe('versions', () => {
  it.each([
    [['1.0.0', '1.0.0'], '1.0.0', 'ok'],
    [['1.0.0', '1.1.0'], '1.1.0', 'warn'],
    [['1.0.0'], '1.1.0', 'warn'],
    [[], '1.0.0', 'skip'],
  ])('%j and this infer %s: %s', (versions, own, status) => {
    const workers = versions.map((version) => worker({ version, name: `w-${version}` }));
    const finding = judgeVersions(workers, own);
    expect(finding.status).toBe(status);
    if (versions.length === 2 && status === 'warn') expect(finding.found).toContain('1.0.0: w-1.0.0');
  });
});

describe('clocks of workers', () => {
  it.each([
    [-500, 'ok'],
    [-2500, 'ok'],
    [900, 'ok'],
    [4000, 'warn'],
    [-5000, 'warn'],
    [30_000, 'fail'],
    [-30_000, 'fail'],
  ])('a beat %d ms from now: %s', (ahead, status) => {
    const before = worker({ beatAt: NOW + ahead - 1000 });
    const after = worker({ beatAt: NOW + ahead });
    expect(judgeWorkerClocks(look(NOW - 1250, before), look(NOW, after)).status).toBe(status);
  });

  it('of a worker that does not beat says nothing', () => {
    const still = worker({ beatAt: NOW - 30_000 });
    expect(judgeWorkerClocks(look(NOW - 1250, still), look(NOW, still)).status).toBe('skip');
  });
});

describe('cores', () => {
  it.each([
    ['enough', [worker()], 2, 'ok'],
    ['processes count', [worker({ concurrency: 3 })], 4, 'warn'],
    ['the most of --autoscale counts', [worker({ autoscale: { max: 3, min: 1 } })], 4, 'warn'],
    ['workers together', [worker(), worker({ id: 'w2' })], 3, 'warn'],
    ['on other machines', [worker({ host: 'there', threads: 99 })], 1, 'skip'],
    ['of old versions, which do not say', [{ ...worker(), threads: undefined }], 1, 'skip'],
  ])('%s', (_, workers, cores, status) => {
    expect(judgeCores(workers as ReturnType<typeof worker>[], { host: 'here', cores }).status).toBe(status);
  });
});

describe('models of running workers', () => {
  const disk = (more: Partial<OnDisk> = {}): OnDisk => ({
    name: 'digits',
    version: 1,
    sizeBytes: 10,
    digest: 'aa',
    changedAt: NOW - 90_000,
    ...more,
  });
  const published = [{ name: 'digits', version: 1, digest: 'aa', sizeBytes: 10 }] as ModelSignature[];
  it.each([
    ['as they are', [disk()], published, undefined],
    ['never published', [disk({ digest: 'bb' })], [], undefined],
    ['another file', [disk({ digest: 'bb' })], published, 'another one'],
    ['too large to read, same size', [disk({ digest: undefined })], published, undefined],
    ['too large to read, other size', [disk({ digest: undefined, sizeBytes: 11 })], published, 'another one'],
    ['a newer version', [disk({ version: 2 })], published, 'version 2 is on disk'],
    ['gone', [], published, 'no longer on disk'],
    ['written after the start', [disk({ changedAt: NOW - 1000 })], published, 'written after it started'],
  ])('%s', (_, files, signatures, reason) => {
    const finding = judgeChanged([worker()], signatures, files, '/models');
    expect(finding.status).toBe(reason === undefined ? 'ok' : 'warn');
    if (reason !== undefined) {
      expect(finding.found).toBe(`worker alpha runs digits@1, but ${finding.found.split(', but ')[1]}`);
      expect(finding.found).toContain(reason);
      expect(finding.fix).toBe('restart worker alpha');
    }
  });

  it('of different versions', () => {
    const workers = [worker(), worker({ name: 'beta', models: [{ name: 'digits', version: 2, batch: 1 }] })];
    expect(judgeServedVersions(workers)?.found).toBe(
      'model digits runs in different versions: 1 on alpha; 2 on beta',
    );
    expect(judgeServedVersions([worker(), worker({ name: 'beta' })])).toBeUndefined();
  });
});
