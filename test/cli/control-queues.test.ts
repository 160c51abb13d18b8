import { describe, expect, it } from 'vitest';
import { type AuditEntry, readAudit } from '../../src/lib/queue/audit.js';
import { until, useInfer } from '../support/cli.js';
import { contents } from '../support/contents.js';
import { digitLines, ONE_DIGIT } from '../support/digits.js';
import { inspectQueue } from '../support/overview.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);

const control = (...args: string[]) => infer.ask(['control', ...args]);
const submit = async (queue: string, ...more: string[]): Promise<string> =>
  (await infer.ask(['submit', ONE_DIGIT, '--quiet', '-Q', queue, ...more])).stdout.trim();
const stateOf = async (id: string) => (await infer.ask(['result', id, '--json'])).json().state;
const audit = async (): Promise<AuditEntry[]> => readAudit(await redis.client(), 'infer', 100);

/** Everything that exists, except for heartbeats. */
/** Without the heartbeats, and the mark at which every process that is in use looks. */
const dump = async () => contents(await redis.client(), /:workers?\b|:data$/);

async function group(queue: string, rows: number): Promise<string> {
  const file = infer.file(`${queue}.ndjson`, digitLines(rows));
  const run = await infer.ask(['submit', file, '-Q', queue, '--json']);
  return run.json<{ group: string }>().group;
}

describe('control pause and resume', () => {
  it('report how many jobs wait, may be repeated, and stop jobs from starting', async () => {
    const id = await submit('resting');
    const first = await infer.run(['control', 'pause', 'resting']);
    expect(first).toMatchObject({ exitCode: 0, stdout: 'resting paused: 1 job waiting\n' });
    expect((await control('pause', 'resting')).stdout).toBe('resting is already paused: 1 job waiting\n');
    const worker = await infer.worker(['-Q', 'resting,other', '--model', 'digits']);
    // A worker that takes a job of another queue has looked at this one before.
    await infer.ask(['submit', ONE_DIGIT, '-Q', 'other', '--wait']);
    expect(await stateOf(id)).toBe('waiting');
    expect((await control('resume', 'resting', '--json')).json()).toMatchObject({
      changed: true,
      waiting: 1,
    });
    expect((await infer.ask(['result', id, '--wait', '--json'])).json().state).toBe('completed');
    expect((await control('resume', 'resting')).stdout).toBe('resting is not paused: 0 jobs waiting\n');
    expect(await worker.stop()).toBe(0);
  });

  it('reject an unknown queue with a suggestion, and audit the failure', async () => {
    const run = await infer.run(['control', 'pause', 'restign', '--as', 'ada']);
    expect(run.exitCode).toBe(66);
    expect(run.stderr).toMatch(/no queue is called 'restign'\nTry: did you mean resting\?/);
    const [entry] = await audit();
    expect(entry).toMatchObject({ who: 'ada', action: 'pause', target: 'restign', ok: false });
    expect((await control('pause', 'no queue')).exitCode).toBe(2);
  });
});

describe('control purge', () => {
  it('requires consent in a pipe, and says how to give it', async () => {
    await submit('full');
    const before = await dump();
    const run = await infer.run(['control', 'purge', 'full']);
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toMatch(
      /cancels 1 waiting job of full for good, and it was not confirmed: nothing was done/,
    );
    expect(run.stderr).toMatch(/Try: \S*run\.js control purge full --yes/);
    expect((await control('purge', 'full', '--confirm', 'fulll')).exitCode).toBe(2);
    const json = await control('purge', 'full', '--json');
    expect(json.json()).toMatchObject({ ok: false, error: { code: 'CONFIRM', exitCode: 2 } });
    expect(await dump()).toEqual(before);
  });

  it('cancels waiting jobs and their groups, and notifies their waiters', async () => {
    const id = await group('full', 600);
    const waiting = infer.start(['result', id, '--wait', '--json']);
    const client = await redis.client();
    await until(async () =>
      (await client.hexists(`{infer:full}:grp:${id}`, 'rl')) === 1 ? true : undefined,
    );
    const run = await control('purge', 'full', '--confirm', 'full', '--json');
    // The previous test left a job; 600 rows are three chunks.
    expect(run.json()).toMatchObject({ dryRun: false, queue: 'full', jobs: { waiting: 4, delayed: 0 } });
    expect((await waiting).exitCode).toBe(1);
    expect(await inspectQueue(infer, 'full')).toMatchObject({ waiting: 0, delayed: 0 });
    expect((await control('purge', 'full')).stdout).toBe('nothing to purge in full\n');
    const ended = await control('purge', 'full', '--state', 'cancelled', '--yes');
    expect(ended.stdout).toBe('purged 4 cancelled jobs of full\n');
    expect((await control('purge', 'full', '--state', 'active')).exitCode).toBe(2);
  });
});

describe('control move', () => {
  it('moves a job to another queue, whose worker answers the waiting submitter', async () => {
    const submitter = infer.start([
      'submit',
      ONE_DIGIT,
      '-Q',
      'here',
      '--id',
      'wanted-1',
      '--wait',
      '--json',
    ]);
    await until(async () => ((await inspectQueue(infer, 'here')).waiting === 1 ? true : undefined));
    const worker = await infer.worker(['-Q', 'there', '--model', 'digits']);
    const run = await control('move', 'wanted-1', '--to', 'there');
    expect(run).toMatchObject({ exitCode: 0, stderr: '' });
    expect(run.stdout).toBe('JOB\tQUEUE\tOUTCOME\nwanted-1\tthere\tmoved to there\n');
    const { stdout, exitCode } = await submitter;
    expect(exitCode).toBe(0);
    expect(JSON.parse(String(stdout))).toMatchObject({
      id: 'wanted-1',
      state: 'completed',
      result: { class: 2 },
    });
    const again = await control('move', 'wanted-1', '--to', 'here');
    expect(again.exitCode).toBe(1);
    expect(again.stdout).toContain('is no longer waiting');
    expect(await worker.stop()).toBe(0);
  });

  it('requires consent for a whole group, whose result is then read from the new queue', async () => {
    const id = await group('slowlane', 600);
    const unconfirmed = await control('move', id, '--to', 'quicklane');
    expect(unconfirmed.exitCode).toBe(2);
    expect(unconfirmed.stderr).toMatch(/no worker serves quicklane[\s\S]*moves 3 jobs to quicklane/);
    const run = await control('move', id, '--to', 'quicklane', '--yes', '--json');
    expect(run.json<{ jobs: { outcome: string }[] }>().jobs.map(({ outcome }) => outcome)).toEqual(
      Array(3).fill('moved'),
    );
    const worker = await infer.worker(['-Q', 'quicklane', '--model', 'digits']);
    const result = await infer.ask(['result', id, '--wait']);
    expect(result.exitCode).toBe(0);
    expect(result.rows()).toHaveLength(600);
    expect(await worker.stop()).toBe(0);
  });

  it('rejects an unknown job with exit 66', async () => {
    expect((await control('move', 'nobody', '--to', 'there')).exitCode).toBe(66);
    expect((await control('move', 'nobody', '--to', 'no queue')).exitCode).toBe(2);
    expect((await control('move', '--to', 'there')).exitCode).toBe(2);
  });
});

describe('control priority', () => {
  it('changes waiting jobs, and reports those that no longer wait', async () => {
    const ids = [await submit('urgent', '--priority', '5'), await submit('urgent', '--priority', '1')];
    await infer.run(['cancel', ids[0] as string]);
    const run = await control('priority', ...ids, '--priority', '9');
    expect(run.exitCode).toBe(3);
    expect(run.stdout).toContain(`${ids[1]}\turgent\thas priority 9\n`);
    expect((await control('priority', ids[0] as string, '-p', '9')).exitCode).toBe(1);
    expect((await inspectQueue(infer, 'urgent')).byPriority?.[9]).toBe(1);
    expect((await control('priority', ids[1] as string, '-p', '10')).exitCode).toBe(2);
    expect((await control('priority', 'nobody', '-p', '1')).exitCode).toBe(66);
  });
});

describe('control revoke', () => {
  it('cancels exactly the jobs that match every filter', async () => {
    const [kept, revoked] = [await submit('left'), await submit('right')];
    const run = await control('revoke', '-Q', 'right', '--state', 'waiting', '--model', 'digits', '--yes');
    expect(run).toMatchObject({ exitCode: 0, stdout: '1 job cancelled\n' });
    expect([await stateOf(kept), await stateOf(revoked)]).toEqual(['waiting', 'cancelled']);
    expect((await control('revoke', '-Q', 'left', '--older-than', '1h', '--yes')).stdout).toBe(
      'no job to cancel\n',
    );
    expect((await control('revoke', '--id', kept, '--yes', '--json')).json()).toMatchObject({ cancelled: 1 });
    expect((await control('revoke', '--id', kept, '--yes')).stdout).toBe('no job to cancel\n');
  });

  it.each([
    ['without a filter', [], 2],
    ['with one that does not parse', ['--older-than', 'soon'], 2],
    ['of what has ended', ['--state', 'completed'], 2],
    ['of an unknown queue', ['-Q', 'rigth'], 66],
    ['of an unknown job', ['--id', 'nobody'], 66],
  ])('rejects %s', async (_, args, exitCode) => {
    expect((await control('revoke', ...args, '--yes')).exitCode).toBe(exitCode);
  });
});

describe('control --dry-run', () => {
  it('changes nothing for any command, and says what would be done', async () => {
    const [id] = [await submit('dry', '--id', 'dry-1'), await submit('dry', '--id', 'dry-2')];
    await control('pause', 'dry');
    const before = await dump();
    for (const [args, words] of [
      [['pause', 'dry'], 'dry is already paused: 2 jobs waiting'],
      [['resume', 'dry'], 'dry would be resumed: 2 jobs waiting, and no worker serves it'],
      [['purge', 'dry'], 'would purge 2 waiting jobs of dry'],
      [['purge', 'dry', '--state', 'failed'], 'nothing to purge in dry'],
      [['move', 'dry-1', 'dry-2', '--to', 'wet'], 'dry-2\tdry\twould go to wet'],
      [['priority', id, '-p', '7'], 'dry-1\tdry\twould have priority 7'],
      [['revoke', '-Q', 'dry'], 'would cancel 2 jobs (2 waiting)'],
      [['revoke', '--id', id], 'would cancel 1 job (1 waiting)'],
    ] as const) {
      const run = await control(...args, '--dry-run');
      expect(run.exitCode, args.join(' ')).toBe(0);
      expect(run.stdout).toContain(words);
      expect(run.stderr).toContain('dry run: nothing was done');
      expect(await dump(), args.join(' ')).toEqual(before);
    }
  });
});

describe('the audit log', () => {
  it('has one entry for every action, with operator and outcome', async () => {
    await submit('logged');
    await control('purge', 'logged', '--yes', '--as', 'grace');
    const [entry] = await audit();
    expect(entry).toMatchObject({
      who: 'grace',
      action: 'purge',
      target: 'logged',
      detail: 'waiting, delayed',
      result: 'purged 1 waiting job of logged',
      ok: true,
    });
    expect(Math.abs(Date.now() - (entry?.at ?? 0))).toBeLessThan(60_000);
    await infer.ask(['control', 'pause', 'logged'], { env: { INFER_OPERATOR: 'ops' } });
    expect((await audit())[0]).toMatchObject({ who: 'ops', action: 'pause' });
    await control('resume', 'logged');
    expect((await audit())[0]?.who).not.toMatch(/^(ops|grace)?$/);
  });

  it('has one entry for each cancel and retry, and none for a dry run', async () => {
    const before = (await audit()).length;
    const id = await submit('logged');
    expect((await infer.run(['cancel', id, '--as', 'grace'])).exitCode).toBe(0);
    const env = { INFER_OPERATOR: 'ops' };
    expect((await infer.run(['retry', id], { env })).exitCode).toBe(1);
    expect((await infer.run(['retry', '--failed', '-Q', 'logged'], { env })).exitCode).toBe(0);
    expect((await infer.run(['cancel', 'no-such-job'], { env })).exitCode).toBe(66);
    await infer.run(['retry', '--failed', '-Q', 'logged', '--dry-run']);
    const entries = await audit();
    expect(entries.length).toBe(before + 4);
    expect(entries.slice(0, 4).reverse()).toMatchObject([
      { who: 'grace', channel: 'cli', action: 'cancel', target: id, count: 1, outcome: 'ok' },
      { who: 'ops', action: 'retry', target: id, count: 0, ok: false, result: '0 jobs waiting again' },
      { who: 'ops', action: 'retry', target: 'logged', count: 0, ok: true },
      { who: 'ops', action: 'cancel', target: 'no-such-job', ok: false, code: 'JOB_UNKNOWN' },
    ]);
    const wide = await infer.run(['inspect', 'audit', '-n', '1', '-o', 'wide']);
    expect(wide.stdout).toMatch(/\tcli\tcancel\tno-such-job\t/);
  });
});
