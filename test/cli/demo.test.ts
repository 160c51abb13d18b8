import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { accuracyOf, type DemoJson, percentiles } from '../../src/lib/bench/demo-figures.js';
import { invocation } from '../../src/lib/cli/invocation.js';
import { isAlive } from '../../src/lib/core/process-alive.js';
import { packageRoot } from '../../src/lib/model/package-root.js';
import { processTable } from '../support/process-table.js';
import { useRedis } from '../support/redis.js';

const BINARY = join(packageRoot(), 'bin', 'run.js');

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Everything the demo creates is below this. */
let place: string;
const started: ChildProcess[] = [];

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'infer-t-'));
});

afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    // After a failed test: it exits at once and stops its Redis and worker.
    child.kill('SIGHUP');
    await once(child, 'exit');
  }
  rmSync(place, { recursive: true, force: true });
});

function start(args: string[], env: Record<string, string> = {}) {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(INFER_|.*COLOR)/.test(name));
  const child = spawn(process.execPath, [BINARY, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...Object.fromEntries(inherited), TMPDIR: place, HOME: place, XDG_CONFIG_HOME: place, ...env },
  });
  started.push(child);
  const seen: Ended = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (text) => {
    seen.stdout += text;
  });
  child.stderr.on('data', (text) => {
    seen.stderr += text;
  });
  const ended = once(child, 'close').then(([code]) => {
    seen.code = code as number;
    return seen;
  });
  return { child, seen, ended };
}

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 2000) throw new Error('it did not come to pass');
    await delay(10);
  }
}

/** Processes with the demo's directory in their arguments or environment: its Redis, worker and runner. */
function leftovers(): string[] {
  return [...readdirSync(place).filter((name) => name.startsWith('infer-')), ...processesOf(place)];
}

function processesOf(dir: string): string[] {
  return processTable()
    .filter(({ pid, text }) => pid !== process.pid && text.includes(dir))
    .map(({ pid, text }) => `${pid} ${text}`);
}

describe('infer demo', () => {
  it('measures the documented accuracy of the model, and leaves nothing behind', {
    timeout: 120_000,
  }, async () => {
    const { ended } = start(['demo', '--json', '--rows', '2000']);
    const { code, stdout, stderr } = await ended;
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const figures = JSON.parse(stdout) as DemoJson;
    expect(figures.accuracy).toEqual({ right: 393, of: 397, share: 393 / 397, differing: 0 });
    expect(figures.batch.rows).toBe(6 * 397);
    expect(figures.batch.rowsPerSecond).toBeGreaterThan(0);
    expect(figures.latency.alone.samples).toBe(50);
    expect(figures.latency.alone.totalMs.p50).toBeGreaterThan(0);
    expect(figures.redis.private).toBe(true);
    expect(figures.kept).toBeNull();
    expect(leftovers()).toEqual([]);
  });

  it('writes its progress to stderr and the figures to stdout', { timeout: 120_000 }, async () => {
    const { code, stdout, stderr } = await start(['demo', '--rows', '5000']).ended;
    expect(code).toBe(0);
    expect(stdout).toContain('looks like a 2');
    expect(stdout).toMatch(/98\.99 % {2}393 of 397 test digits right/);
    expect(stdout).toMatch(/^batch\t\d+\t/m);
    expect(stdout).toMatch(/^demo\t.*\tdigits@1×\d+\t/m);
    expect(stdout.match(/run\.js (up|submit|inspect)/g)).toHaveLength(3);
    expect(stderr).toContain('Worker: up in');
    expect(stderr).toContain('removed all that was started');
  });

  for (const [signal, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    it(`leaves nothing behind after ${signal} in the middle of the batch`, { timeout: 120_000 }, async () => {
      const { child, seen, ended } = start(['demo', '--rows', '500000']);
      await until(() => seen.stderr.includes('Meanwhile'));
      expect(leftovers()).not.toEqual([]);
      child.kill(signal);
      expect((await ended).code).toBe(exitCode);
      await until(() => leftovers().length === 0);
    });
  }

  it('leaves nothing behind after Ctrl-C is pressed twice', { timeout: 120_000 }, async () => {
    const { child, seen, ended } = start(['demo', '--rows', '500000']);
    await until(() => seen.stderr.includes('Batch:'));
    child.kill('SIGINT');
    await delay(300);
    child.kill('SIGINT');
    expect((await ended).code).toBe(130);
    await until(() => leftovers().length === 0);
  });

  it('reports the death of its worker, and leaves nothing behind', { timeout: 120_000 }, async () => {
    const { seen, ended } = start(['demo', '--rows', '500000']);
    await until(() => seen.stderr.includes('Meanwhile'));
    const pid = Number(/^demo\t[^\t]+\t(\d+)\t/m.exec(seen.stdout)?.[1]);
    process.kill(pid, 'SIGKILL');
    const { code, stderr } = await ended;
    expect(code).toBe(69);
    expect(stderr).toContain('the worker ended (SIGKILL)');
    await until(() => leftovers().length === 0);
  });

  it('--keep leaves Redis and the worker running, and the printed commands stop them', {
    timeout: 120_000,
  }, async () => {
    const { code, stdout } = await start(['demo', '--rows', '397', '--keep', '--json']).ended;
    expect(code).toBe(0);
    const { kept } = JSON.parse(stdout) as DemoJson;
    if (kept?.stateDir == null) throw new Error('nothing was kept');
    expect(isAlive(kept.workerPid)).toBe(true);
    const one = join(packageRoot(), 'examples', 'one-digit.json');
    const answer = await start(['submit', one, '--wait', '--redis', kept.redis]).ended;
    expect(JSON.parse(answer.stdout)).toMatchObject({ class: 2 });
    process.kill(kept.workerPid);
    await until(() => !isAlive(kept.workerPid));
    expect((await start(['redis', 'stop'], { INFER_STATE_DIR: kept.stateDir }).ended).code).toBe(0);
    rmSync(kept.dir, { recursive: true });
    expect(leftovers()).toEqual([]);
  });

  describe('with a Redis given by the user', () => {
    const redis = useRedis({ password: 'not-to-be-shown' });

    it('uses its own prefix and removes its keys', { timeout: 120_000 }, async () => {
      const client = await redis.client();
      await client.set('{infer}:queues', 'somebody else');
      const run = start(['demo', '--rows', '20000'], { INFER_REDIS_URL: redis.url });
      const names = new Set<string>();
      while (run.child.exitCode === null) {
        for (const key of await client.keys('{infer-demo-*')) names.add(key.split(/[:}]/)[0] as string);
        await delay(50);
      }
      const { code, stdout, stderr } = await run.ended;
      expect(code).toBe(0);
      expect(names.size).toBe(1);
      expect(await client.keys('*')).toEqual(['{infer}:queues']);
      expect(stdout + stderr).not.toContain('not-to-be-shown');
      expect(leftovers()).toEqual([]);
    });
  });
});

describe('figures of infer demo', () => {
  it('report percentiles that are measured values', () => {
    const values = Array.from({ length: 100 }, (_, at) => 100 - at);
    expect(percentiles(values)).toEqual({ p50: 50, p90: 90, p99: 99 });
    expect(percentiles([7])).toEqual({ p50: 7, p90: 7, p99: 7 });
  });

  it('count correct answers once, and later answers that differ', async () => {
    async function* chunks() {
      yield { index: 0, firstRow: 0, rows: 2, values: [{ class: 1 }, { class: 2 }] };
      yield { index: 1, firstRow: 2, rows: 2, values: [{ class: 1 }, { class: 3 }] };
      yield { index: 2, firstRow: 4, rows: 2, error: { code: 'X', message: 'lost' } };
    }
    expect(await accuracyOf(chunks(), [1, 9])).toEqual({ right: 1, of: 2, share: 0.5, differing: 3 });
  });
});

describe('the printed infer command', () => {
  const root = packageRoot();

  it.each([
    ['/usr/local/bin/infer', '/home/me', 'infer', join(root, 'examples', 'one-digit.json')],
    [BINARY, root, './bin/run.js', 'examples/one-digit.json'],
    [BINARY, '/', BINARY.slice(1), join(root, 'examples', 'one-digit.json').slice(1)],
    ['/home/me/app/node_modules/.bin/infer', '/home/me/app', 'npx infer', undefined],
  ])('is right for %s in %s', (script, cwd, infer, file) => {
    const found = invocation(script, cwd);
    expect(found.infer).toBe(cwd === '/' ? `./${infer}` : infer);
    if (file !== undefined) expect(found.oneDigit).toBe(file);
    if (!found.infer.includes('infer')) expect(existsSync(join(cwd, found.infer))).toBe(true);
  });
});
