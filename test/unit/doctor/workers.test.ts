import { describe, expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { judgeServed, type OnDisk } from '../../../src/lib/doctor/checks/model-files.js';
import { judgeLoads } from '../../../src/lib/doctor/checks/models-load.js';
import {
  judgeBeats,
  judgeCores,
  judgeVersions,
  judgeWorkerClocks,
} from '../../../src/lib/doctor/checks/workers.js';
import type { ModelReading } from '../../../src/lib/model/probe-model.js';
import type { LoadedModel } from '../../../src/lib/model/runner.js';
import type { ModelProblem, WorkerRecord } from '../../../src/lib/queue/types.js';
import { NOW, worker } from './records.js';

const look = (at: number, ...workers: ReturnType<typeof worker>[]) => ({ at, workers });

describe('the check for silent workers', () => {
  it.each([
    ['none', [], 'skip'],
    ['sends heartbeats', [worker()], 'ok'],
    ['missed four', [worker({ beatAt: NOW - 5000 })], 'ok'],
    ['silent', [worker({ beatAt: NOW - 5001 })], 'fail'],
    ['on time', [worker({ loopLagMs: 500 })], 'ok'],
    ['late', [worker({ loopLagMs: 501 })], 'warn'],
  ])('judges %s', (_, workers, status) => {
    expect(judgeBeats(look(NOW, ...workers)).status).toBe(status);
  });
});

describe('the worker version check', () => {
  it.each([
    [['1.0.0', '1.0.0'], '1.0.0', 'ok'],
    [['1.0.0', '1.1.0'], '1.1.0', 'warn'],
    [['1.0.0'], '1.1.0', 'warn'],
    [[], '1.0.0', 'skip'],
  ])('judges %j with this infer at %s: %s', (versions, own, status) => {
    const workers = versions.map((version) => worker({ version, name: `w-${version}` }));
    const finding = judgeVersions(workers, own);
    expect(finding.status).toBe(status);
    if (versions.length === 2 && status === 'warn') expect(finding.found).toContain('1.0.0: w-1.0.0');
  });
});

describe('the worker clock check', () => {
  it.each([
    [0, 'ok', ''],
    [-900, 'ok', ''],
    [900, 'ok', ''],
    [1000, 'warn', " is 1 s ahead of Redis's clock"],
    [-5000, 'warn', " is 5 s behind Redis's clock"],
    [3_600_000, 'fail', " is 1h 0m ahead of Redis's clock"],
    [-30_000, 'fail', " is 30 s behind Redis's clock"],
  ])('judges a host %d ms ahead of Redis: %s', (clockAheadMs, status, found) => {
    // Heartbeats have Redis's time, whatever the host's clock.
    const before = worker({ beatAt: NOW - 1000, clockAheadMs });
    const after = worker({ beatAt: NOW, clockAheadMs });
    const finding = judgeWorkerClocks(look(NOW - 1250, before), look(NOW, after));
    expect(finding.status).toBe(status);
    expect(finding.found).toContain(found);
  });

  it('says nothing about a worker without heartbeats', () => {
    const still = worker({ beatAt: NOW - 30_000 });
    expect(judgeWorkerClocks(look(NOW - 1250, still), look(NOW, still)).status).toBe('skip');
  });
});

describe('the core check', () => {
  it.each([
    ['enough', [worker()], 2, 'ok'],
    ['processes count', [worker({ concurrency: 3 })], 4, 'warn'],
    ['the most of --autoscale counts', [worker({ autoscale: { max: 3, min: 1 } })], 4, 'warn'],
    ['workers together', [worker(), worker({ id: 'w2' })], 3, 'warn'],
    ['on other machines', [worker({ host: 'there', threads: 99 })], 1, 'skip'],
    ['of old versions, which do not say', [{ ...worker(), threads: undefined }], 1, 'skip'],
  ])('judges %s', (_, workers, cores, status) => {
    expect(judgeCores(workers as ReturnType<typeof worker>[], { host: 'here', cores }).status).toBe(status);
  });
});

describe('the check of loaded models', () => {
  const disk = (version: number, dir = '/models'): OnDisk => ({ dir, name: 'digits', version });
  const serving = (more: Partial<WorkerRecord['models'][number]> = {}, name = 'alpha') =>
    worker({
      name,
      id: name,
      modelsDir: '/models',
      modelProblems: [],
      models: [{ name: 'digits', version: 1, batch: 8, digest: 'aa', ...more }],
    });
  const problem = (served: boolean): ModelProblem => ({
    model: 'digits',
    version: 1,
    code: 'MODEL_CHANGED',
    message: 'model digits@1 changed',
    hint: 'infer control load WORKER digits',
    served,
  });

  it('passes unchanged models, also from a directory other than the one named here', () => {
    expect(judgeServed([serving()], [disk(1), disk(7, '/elsewhere')], 'here').status).toBe('ok');
  });

  it('warns about a newer version on disk', () => {
    expect(judgeServed([serving()], [disk(2)], 'here')).toMatchObject({
      status: 'warn',
      found: 'worker alpha runs digits@1, but version 2 is on disk',
      fix: 'infer control load alpha digits',
    });
    expect(judgeServed([serving()], [disk(2)], 'there').status).toBe('ok');
  });

  it('passes a version that was chosen explicitly', () => {
    const finding = judgeServed([serving({ chosen: true })], [disk(2)], 'here');
    expect(finding.status).toBe('ok');
    expect(finding.details?.[0]).toContain('was told to run digits@1; version 2 is on disk');
  });

  it.each([
    [true, 'warn', 'worker alpha: model digits@1 changed'],
    [false, 'fail', 'worker alpha does not serve digits: model digits@1 changed'],
  ])('reports a problem that the worker itself reports, served: %s', (served, status, found) => {
    const said = { ...serving(), modelProblems: [problem(served)] };
    expect(judgeServed([said], [], 'there')).toMatchObject({
      status,
      found,
      fix: 'infer control load alpha digits',
    });
  });

  it('reports different versions, and different files under one version', () => {
    const versions = judgeServed([serving(), serving({ version: 2 }, 'beta')], [], 'here');
    expect(versions.found).toBe('model digits runs in different versions: 1 on alpha; 2 on beta');
    const files = judgeServed([serving(), serving({ digest: 'bb' }, 'beta')], [], 'here');
    expect(files.found).toBe(
      'model digits@1 is served from different files: 1 (aa) on alpha; 1 (bb) on beta',
    );
    const apart = { ...serving({ digest: 'bb' }, 'beta'), queues: ['other'] };
    expect(judgeServed([serving(), apart], [], 'here').status).toBe('ok');
    const old = { ...serving({}, 'beta'), models: [{ name: 'digits', version: 1, batch: 8 }] };
    expect(judgeServed([serving(), old], [], 'here').status).toBe('ok');
  });
});

describe('the model load check', () => {
  const good = (warnings: string[] = []): ModelReading => ({
    name: 'digits',
    loaded: { signature: { name: 'digits', version: 1, warnings } } as unknown as LoadedModel,
  });
  const bad: ModelReading = {
    name: 'bad',
    error: new InferError('MODEL_LOAD', 'it is empty', { hint: 'copy it' }),
  };

  it('fails when one does not load, and blocks workers only where no other loads', () => {
    expect(judgeLoads([good(), bad], [])).toMatchObject({
      status: 'fail',
      found: 'it is empty',
      fix: 'copy it',
    });
    expect(judgeLoads([good(), bad], []).blocks).toEqual([]);
    expect(judgeLoads([bad], []).blocks).toEqual(['CPU workers', 'GPU workers']);
  });

  it('warns when models have warnings', () => {
    expect(judgeLoads([good(['runs one row at a time'])], [])).toMatchObject({
      status: 'warn',
      found: 'digits: runs one row at a time',
    });
    expect(judgeLoads([good()], ['huge (9 GB)'])).toMatchObject({
      status: 'ok',
      found: '1 model loads, as a worker loads them',
    });
  });
});
