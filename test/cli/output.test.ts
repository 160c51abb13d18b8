import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { execa } from 'execa';
import { beforeAll, describe, expect, it } from 'vitest';
import { ROOT, useInfer } from '../support/cli.js';
import { digitLines } from '../support/digits.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis();
const infer = useInfer(redis);
const root = process.getuid?.() === 0;
/** A group that has ended, and the lines that `result` prints of it. */
let group = '';
let lines = '';

beforeAll(async () => {
  const worker = await infer.worker();
  const submitted = await infer.run(['submit', '-', '--wait', '20s'], { stdin: digitLines(300) });
  group = submitted.stdout.trim();
  lines = (await infer.run(['result', group])).stdout;
  expect(lines.trim().split('\n')).toHaveLength(300);
  await worker.stop();
});

/** A new directory, and a path in it. */
function place(name: string): string {
  const dir = path.join(infer.dir, `place-${Math.random().toString(36).slice(2)}`);
  mkdirSync(dir);
  return path.join(dir, name);
}

const fetchTo = (file: string) => infer.run(['result', group, '--output', file]);
const partsOf = (file: string) => readdirSync(path.dirname(file)).filter((name) => name.includes('.part'));
const modeOf = (file: string) => (statSync(file).mode & 0o7777).toString(8);

describe('--output', () => {
  it('keeps the mode of an existing file; a new file follows the umask', async () => {
    const secret = place('secret');
    writeFileSync(secret, 'old');
    chmodSync(secret, 0o600);
    expect((await fetchTo(secret)).exitCode).toBe(0);
    expect([modeOf(secret), readFileSync(secret, 'utf8')]).toEqual(['600', lines]);
    const wide = place('wide');
    writeFileSync(wide, 'old');
    chmodSync(wide, 0o666);
    await fetchTo(wide);
    expect(modeOf(wide)).toBe('666');
    const fresh = place('fresh');
    const script = 'umask 027; exec "$NODE" bin/run.js result "$ID" -o "$FILE"';
    const env = {
      ...process.env,
      INFER_REDIS_URL: redis.url,
      NODE: process.execPath,
      ID: group,
      FILE: fresh,
    };
    await execa('sh', ['-c', script], { cwd: ROOT, env });
    expect([modeOf(fresh), readFileSync(fresh, 'utf8')]).toEqual(['640', lines]);
  });

  it.runIf(root)('keeps the owner of an existing file', async () => {
    const file = place('theirs');
    writeFileSync(file, 'old');
    execFileSync('chown', ['1234:2345', file]);
    chmodSync(file, 0o640);
    await fetchTo(file);
    const { uid, gid } = statSync(file);
    expect([uid, gid, modeOf(file), readFileSync(file, 'utf8')]).toEqual([1234, 2345, '640', lines]);
  });

  it('follows a symbolic link, dangling or not, and keeps hard links', async () => {
    const target = place('target');
    writeFileSync(target, 'old');
    const link = place('link');
    symlinkSync(target, link);
    await fetchTo(link);
    expect([lstatSync(link).isSymbolicLink(), readFileSync(target, 'utf8')]).toEqual([true, lines]);

    const missing = place('missing');
    const dangling = place('dangling');
    symlinkSync(path.relative(path.dirname(dangling), missing), dangling);
    await fetchTo(dangling);
    expect([lstatSync(dangling).isSymbolicLink(), readFileSync(missing, 'utf8')]).toEqual([true, lines]);

    const first = place('first');
    writeFileSync(first, 'a longer text than comes\n'.repeat(9000));
    const second = path.join(path.dirname(first), 'second');
    linkSync(first, second);
    await fetchTo(first);
    expect([readFileSync(second, 'utf8'), statSync(first).ino]).toEqual([lines, statSync(second).ino]);
    for (const file of [target, link, missing, dangling, first]) expect(partsOf(file)).toEqual([]);
  });

  it.runIf(root)('writes through a device file without replacing it', async () => {
    const device = place('null');
    execFileSync('mknod', ['-m', '666', device, 'c', '1', '3']);
    const run = await fetchTo(device);
    expect([run.exitCode, run.stderr]).toEqual([0, '']);
    expect(statSync(device).isCharacterDevice()).toBe(true);
    expect(partsOf(device)).toEqual([]);
    const full = place('full');
    execFileSync('mknod', ['-m', '666', full, 'c', '1', '7']);
    const refused = await fetchTo(full);
    expect(refused.exitCode).toBe(78);
    expect(refused.stderr).toContain('no space is left (ENOSPC)');
    expect(statSync(full).isCharacterDevice()).toBe(true);
  });

  it('writes to a named pipe when a reader opens it; a signal ends the wait', async () => {
    const pipe = place('pipe');
    execFileSync('mkfifo', [pipe]);
    const writer = infer.start(['result', group, '-o', pipe]);
    const reader = execa('cat', [pipe], { stripFinalNewline: false });
    expect((await reader).stdout).toBe(lines);
    expect((await writer).exitCode).toBe(0);
    expect(statSync(pipe).isFIFO()).toBe(true);

    const alone = infer.start(['result', group, '-o', pipe, '--redis', redis.url], {
      env: { NODE_OPTIONS: `--import ${SAY_READY}` },
    });
    await once(alone.stderr as NodeJS.ReadableStream, 'data');
    alone.kill('SIGTERM');
    expect((await alone).exitCode).toBe(143);
    expect([statSync(pipe).isFIFO(), partsOf(pipe)]).toEqual([true, []]);
  });

  it("works with a shell's process substitution and with a descriptor opened by the shell", async () => {
    const file = place('copy');
    const log = place('log');
    const script = `set -e
"$NODE" bin/run.js result "$ID" -o >(cat > "$FILE"); wait $!
exec 3>"$LOG"; echo before >&3
"$NODE" bin/run.js result "$ID" -o /dev/fd/3
echo after >&3
"$NODE" bin/run.js result "$ID" -o /dev/stdout`;
    const env = {
      ...process.env,
      INFER_REDIS_URL: redis.url,
      NODE: process.execPath,
      ID: group,
      FILE: file,
      LOG: log,
    };
    const run = await execa('bash', ['-c', script], { cwd: ROOT, env, stripFinalNewline: false });
    expect(run.stdout).toBe(lines);
    expect(readFileSync(file, 'utf8')).toBe(lines);
    expect(readFileSync(log, 'utf8')).toBe(`before\n${lines}after\n`);
  });

  it('refuses a directory and a symlink loop, and leaves them unchanged', async () => {
    const dir = path.dirname(place('x'));
    const run = await fetchTo(dir);
    expect(run.exitCode).toBe(78);
    expect(run.stderr).toContain('it is a directory (EISDIR)');
    const loop = place('loop');
    symlinkSync('loop', loop);
    expect((await fetchTo(loop)).exitCode).toBe(78);
    expect(readlinkSync(loop)).toBe('loop');
  });
});

/** Says on standard error that signal handlers are installed: `result` does so before it waits for a reader. */
const SAY_READY = `data:text/javascript,${encodeURIComponent(
  "process.on('newListener',(name)=>{if(name==='SIGTERM')setImmediate(()=>process.stderr.write('ready'))})",
)}`;

describe('a partially written output file', () => {
  /** A program that writes a line to a file and then waits for more, as `result` does. */
  const program = async (): Promise<string> => {
    const outfile = path.join(infer.dir, 'writer.mjs');
    if (existsSync(outfile)) return outfile;
    const contents = `
      import { writeRows } from './src/lib/cli/result-output.ts';
      import { interruptible } from './src/lib/cli/signals.ts';
      async function* chunks(signal) {
        yield { index: 0, firstRow: 0, rows: 1, values: [{ class: 1 }] };
        console.log('written');
        if (process.argv[3] === 'throw') throw Object.assign(new Error('lost'), { code: 'ECONNRESET' });
        await new Promise((resolve, reject) => {
          setInterval(() => undefined, 1000);
          if (process.argv[3] !== 'deaf') signal.addEventListener('abort', () => reject(signal.reason));
        });
      }
      await interruptible((signal) => writeRows(process.argv[2], chunks(signal), signal))
        .catch((error) => process.exit(error.exitCode ?? 1));`;
    await build({
      stdin: { contents, resolveDir: ROOT },
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile,
      logLevel: 'error',
      banner: {
        js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
      },
    });
    return outfile;
  };
  const start = async (file: string, how: string): Promise<ChildProcess> => {
    const child = spawn(process.execPath, [await program(), file, how], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    return child;
  };

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const)(
    'is removed after %s, and the old file stays whole',
    async (signal) => {
      const file = place('rows');
      writeFileSync(file, 'old');
      const child = await start(file, 'wait');
      expect(partsOf(file)).toHaveLength(1);
      child.kill(signal);
      const [code, by] = (await once(child, 'exit')) as [number | null, string | null];
      expect(code ?? by).toEqual({ SIGINT: 130, SIGTERM: 143 }[signal as string] ?? signal);
      expect([partsOf(file), readFileSync(file, 'utf8')]).toEqual([[], 'old']);
    },
  );

  it('is removed after a second Ctrl-C of a blocked command, and after a failure', async () => {
    const file = place('rows');
    const child = await start(file, 'deaf');
    child.kill('SIGINT');
    const again = setInterval(() => child.kill('SIGINT'), 300);
    const [code] = (await once(child, 'exit')) as [number];
    clearInterval(again);
    expect([code, readdirSync(path.dirname(file))]).toEqual([130, []]);
    const failed = await start(file, 'throw');
    if (failed.exitCode === null) await once(failed, 'exit');
    expect([failed.exitCode, readdirSync(path.dirname(file))]).toEqual([78, []]);
  });
});
