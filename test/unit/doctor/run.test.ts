import { describe, expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { CATALOGUE } from '../../../src/lib/doctor/catalogue.js';
import { type Check, type CheckResult, ok, TOPICS } from '../../../src/lib/doctor/check.js';
import { openContext } from '../../../src/lib/doctor/context.js';
import { masker } from '../../../src/lib/doctor/environment.js';
import { runChecks } from '../../../src/lib/doctor/run.js';
import { selectChecks } from '../../../src/lib/doctor/select.js';
import { Unmet } from '../../../src/lib/doctor/unmet.js';
import { judge } from '../../../src/lib/doctor/verdict.js';
import { settings } from './records.js';

const check = (id: string, run: Check['run'], more: Partial<Check> = {}): Check => ({
  id,
  topic: 'system',
  title: id,
  run,
  ...more,
});
const context = openContext({ loaded: await settings(), version: '1.0.0' });

describe('running checks', () => {
  it('keeps the order, and turns thrown errors into findings', async () => {
    const results = await runChecks(
      [
        check('good', () => ok('fine')),
        check('unmet', () => {
          throw new Unmet('no ground');
        }),
        check('known', () => {
          throw new InferError('REDIS_TLS', 'it is wrong', { hint: 'mend it' });
        }),
        check('bug', async () => JSON.parse('{')),
      ],
      context,
    );
    expect(results.map(({ id, status, found, fix }) => [id, status, found, fix])).toEqual([
      ['good', 'ok', 'fine', undefined],
      ['unmet', 'skip', 'no ground', undefined],
      ['known', 'fail', 'it is wrong', 'mend it'],
      ['bug', 'fail', expect.stringMatching(/^the check itself failed/), expect.stringContaining('--report')],
    ]);
  });

  it('runs all at once, each up to its own limit', async () => {
    const never = () => new Promise<never>(() => undefined);
    const started = performance.now();
    const results = await runChecks(
      [check('a', never), check('b', never, { limitMs: 60 }), check('c', () => ok('quick'))],
      context,
      120,
    );
    expect(performance.now() - started).toBeLessThan(2000);
    expect(results.map(({ status, found }) => `${status} ${found}`)).toEqual([
      'fail no answer in 120 ms',
      'fail no answer in 60 ms',
      'ok quick',
    ]);
    expect(results.map((result) => result.timedOut)).toEqual([true, true, undefined]);
  });
});

describe('the catalogue of checks', () => {
  it('covers every topic, with unique ids that name their topic', () => {
    const ids = CATALOGUE.map((one) => one.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(CATALOGUE.map((one) => one.topic))).toEqual(new Set(TOPICS));
    expect(ids.filter((id) => !/^[a-z]+(-[a-z]+)+$/.test(id))).toEqual([]);
  });

  it('is selected by topic and id, in catalogue order', () => {
    const ids = selectChecks(CATALOGUE, ['system-node', 'config']).map((one) => one.id);
    expect(ids).toEqual(['config-values', 'config-variables', 'config-secrets', 'system-node']);
    expect(selectChecks(CATALOGUE, [])).toHaveLength(CATALOGUE.length);
  });

  it.each([
    ['reddis', 'did you mean redis?'],
    ['redis-memroy', 'did you mean redis-memory?'],
    ['zzzzzzzzzz', 'topics: redis, queues'],
  ])('rejects %s: %s', (word, hint) => {
    expect(() => selectChecks(CATALOGUE, [word])).toThrowError(
      expect.objectContaining({ code: 'CHECK_UNKNOWN', exitCode: 2, hint: expect.stringContaining(hint) }),
    );
  });
});

describe('the verdict', () => {
  const result = (id: string, more: Partial<CheckResult> = {}): CheckResult => ({
    id,
    topic: 'redis',
    title: id,
    status: 'ok',
    found: '',
    ms: 1,
    ...more,
  });
  const all = ['redis-reach', 'models-found', 'models-runtime', 'models-load', 'gpu-run'];

  it('is ready for everything when all checks pass', () => {
    const verdict = judge(all.map((id) => result(id)));
    expect(verdict).toMatchObject({ ok: true, notReady: [] });
    expect(verdict.ready).toEqual(['submit', 'results', 'inspect', 'CPU workers', 'GPU workers']);
  });

  it('does not mention what was not checked', () => {
    expect(judge([result('redis-reach')]).ready).toEqual(['submit', 'results', 'inspect']);
  });

  it('gives the first reason once for all that it blocks', () => {
    const verdict = judge([
      result('redis-reach', { status: 'fail', found: 'no Redis', blocks: ['submit', 'GPU workers'] }),
      result('gpu-driver', { status: 'skip', found: 'no GPU', blocks: ['GPU workers'] }),
    ]);
    // Results and the rest need the failed check, whatever it reports.
    const what = ['submit', 'results', 'inspect', 'CPU workers', 'GPU workers'];
    expect(verdict.notReady).toEqual([{ what, because: 'no Redis' }]);
    expect(verdict.ok).toBe(false);
  });

  it('has workers ready when some models load and others do not', () => {
    const bad = { status: 'fail', found: 'broken/model.json: it is not JSON', blocks: [] } as const;
    const verdict = judge(
      all.map((id) => result(id, id.startsWith('models-') && id !== 'models-runtime' ? bad : {})),
    );
    expect(verdict).toMatchObject({ ok: false, notReady: [] });
    expect(verdict.ready).toContain('CPU workers');
  });

  it('treats a check that timed out as blocking', () => {
    const late = result('models-load', { status: 'fail', found: 'no answer in 60 s', timedOut: true });
    const verdict = judge(all.map((id) => (id === 'models-load' ? late : result(id))));
    expect(verdict.notReady).toEqual([
      { what: ['CPU workers', 'GPU workers'], because: 'no answer in 60 s' },
    ]);
  });

  it('is not failed by a warning', () => {
    expect(judge([result('redis-reach', { status: 'warn' })])).toMatchObject({ ok: true });
  });
});

describe('masking a report', () => {
  it('removes current passwords, credentials in URLs and the home directory', async () => {
    const loaded = await settings({
      INFER_REDIS_URL: 'redis://bob:p4ss%2Fw0rd@h:1',
      INFER_REDIS_PASSWORD: 's3cret',
    });
    const mask = masker(loaded, '/home/bob');
    expect(mask('redis://bob:x@h:1 and p4ss/w0rd and p4ss%2Fw0rd and s3cret in /home/bob/models')).toBe(
      'redis://***@h:1 and *** and *** and *** in ~/models',
    );
  });
});
