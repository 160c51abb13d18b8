import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { useInfer } from '../support/cli.js';
import { ONE_DIGIT } from '../support/digits.js';
import { asOrdinaryUser, ORDINARY_UID } from '../support/ordinary-user.js';
import { useRedis } from '../support/redis.js';
import { childrenOf } from '../support/worker.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
const through = asOrdinaryUser();

/** A directory that the ordinary user may write to, as TMPDIR. */
function theirs(name: string): string {
  chmodSync(infer.dir, 0o755);
  const dir = path.join(infer.dir, name);
  mkdirSync(dir, { mode: 0o700 });
  if (process.getuid?.() === 0) chownSync(dir, ORDINARY_UID, ORDINARY_UID);
  return dir;
}

describe.skipIf(through === undefined)('a user without a home directory', () => {
  const uid = process.getuid?.() === 0 ? ORDINARY_UID : process.getuid?.();

  // For a listed user with HOME unset, the home directory comes from the user list.
  it.skipIf(process.getuid?.() !== 0).each([
    ['unset', undefined],
    ['empty', ''],
    ['/', '/'],
    ['/nonexistent', '/nonexistent/home'],
  ])('works with HOME %s, with its state in the temporary directory', async (name, home) => {
    const tmp = theirs(`tmp-${name.replaceAll('/', '')}`);
    const unset = home === undefined ? ['env', '-u', 'HOME'] : [];
    const env = { INFER_STATE_DIR: '', TMPDIR: tmp, ...(home === undefined ? {} : { HOME: home }) };
    const options = { env, cwd: '/', through: [...unset, ...(through ?? [])] };
    const status = await infer.run(['redis', 'status', '--json'], options);
    expect(status.json()).toMatchObject({ running: false, dir: path.join(tmp, `infer-${uid}`, 'redis') });
    const list = await infer.run(['workers', 'list', '--json'], options);
    expect([list.exitCode, list.json()]).toEqual([0, { workers: [] }]);
    expect(lstatSync(path.join(tmp, `infer-${uid}`, 'workers')).mode & 0o777).toBe(0o700);
    const submitted = await infer.run(['submit', ONE_DIGIT, '--model', 'digits', '-q'], options);
    expect([submitted.exitCode, submitted.stdout]).toEqual([0, expect.stringMatching(/^\S+\n$/)]);
  });

  it('gets one sentence when the state directory is not writable', async () => {
    const closed = path.join(infer.dir, 'closed');
    mkdirSync(closed, { mode: 0o555 });
    chmodSync(infer.dir, 0o755);
    const options = {
      env: { INFER_STATE_DIR: path.join(closed, 'state') },
      cwd: '/',
      through: through ?? [],
    };
    const list = await infer.run(['workers', 'list'], options);
    expect([list.exitCode, list.stderr]).toEqual([77, expect.stringMatching(/cannot be made \(EACCES\)/)]);
    expect(list.stderr).toContain('INFER_STATE_DIR');
    const start = await infer.run(['redis', 'start'], options);
    expect([start.exitCode, start.stderr]).toEqual([77, expect.stringMatching(/^Error: .+\nTry: .+\n$/)]);
  });

  it('gets one sentence from a demo when the temporary directory is not writable', async () => {
    const options = { env: { TMPDIR: '/proc' }, cwd: '/', through: through ?? [] };
    const demo = await infer.run(['demo'], options);
    expect([demo.exitCode, demo.stderr]).toEqual([69, expect.stringMatching(/no directory can be made in/)]);
  });
});

describe('a deleted current directory', () => {
  it.each([[['models']], [['submit', 'x.json']], [['--help']]])('is reported by %j', async (args) => {
    const gone = path.join(infer.dir, 'gone');
    const shell = `mkdir -p '${gone}' && cd '${gone}' && rmdir '${gone}' && exec "$0" "$@"`;
    const run = await infer.run(args, { through: ['sh', '-c', shell] });
    expect([run.exitCode, run.stdout]).toEqual([66, '']);
    expect(run.stderr).toBe(
      'Error: the current directory no longer exists\nTry: change to a directory that exists: cd ~\n',
    );
    const json = await infer.run([...args, '--json'], { through: ['sh', '-c', shell] });
    expect(json.json()).toMatchObject({ ok: false, error: { code: 'NO_CURRENT_DIR', exitCode: 66 } });
  });

  it('does not stop a running worker from restarting its runner', async () => {
    const gone = path.join(infer.dir, 'release');
    mkdirSync(gone);
    const worker = await infer.worker(['-Q', 'release', '--model', 'digits'], { cwd: gone });
    rmSync(gone, { recursive: true });
    const [runner] = childrenOf(worker.pid);
    process.kill(runner as number, 'SIGKILL');
    const run = await infer.run([
      'submit',
      ONE_DIGIT,
      '--model',
      'digits',
      '-Q',
      'release',
      '--wait',
      '--json',
    ]);
    expect(run.json()).toMatchObject({ state: 'completed' });
    expect(await worker.stop()).toBe(0);
  });
});

/** Removes hard links and sockets, as on file systems without them. */
const POOR_FILE_SYSTEM = `
import fs from 'node:fs';
import net from 'node:net';
import { syncBuiltinESMExports } from 'node:module';
const failure = (code) => Object.assign(new Error(code + ': not supported'), { code });
fs.linkSync = () => { throw failure('EPERM'); };
const { listen } = net.Server.prototype;
net.Server.prototype.listen = function (path, ...more) {
  if (typeof path !== 'string' || !path.includes('/poor/')) return listen.call(this, path, ...more);
  process.nextTick(() => this.emit('error', failure('EOPNOTSUPP')));
  return this;
};
syncBuiltinESMExports();
`;

describe('a file system without hard links and sockets', () => {
  it('supports a private Redis, with its socket in the temporary directory, and workers', async () => {
    const preload = infer.file('poor.mjs', POOR_FILE_SYSTEM);
    const tmp = path.join(infer.dir, 'sockets');
    mkdirSync(tmp);
    const state = path.join(infer.dir, 'poor');
    const env = { NODE_OPTIONS: `--import ${preload}`, INFER_STATE_DIR: state, TMPDIR: tmp };
    const options = { env, redis: null };
    // Two at once: the lock works without links, too.
    const starts = await Promise.all([1, 2].map(() => infer.run(['redis', 'start', '--json'], options)));
    const [first, second] = starts.map((run) => run.json<{ pid: number; socket: string }>());
    try {
      expect(first?.pid).toBe(second?.pid);
      expect(first?.socket).toMatch(new RegExp(`^${tmp}/infer-`));
      const status = await infer.run(['redis', 'status', '--json'], options);
      expect(status.json()).toMatchObject({ running: true, pid: first?.pid, dir: path.join(state, 'redis') });
      const args = ['workers', 'start', '--name', 'poor', '-Q', 'p', '--redis', `unix://${first?.socket}`];
      const started = await infer.run([...args, '--', '--model', 'digits', '--threads', '1'], options);
      expect([started.exitCode, started.stderr]).toEqual([0, expect.stringContaining('poor ready')]);
      expect((await infer.run(['workers', 'stop', 'poor', '--force'], options)).exitCode).toBe(0);
    } finally {
      await infer.run(['redis', 'stop'], options);
    }
    expect(readdirSync(path.join(state, 'redis'))).not.toContain('redis.lock');
  });
});
