import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { queuesKey, workerKey, workersKey } from '../../src/lib/queue/keys.js';
import { ROOT, useInfer } from '../support/cli.js';
import { freePort } from '../support/ports.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis();
const infer = useInfer(redis);
const has = (program: string) => spawnSync(program, ['--version']).error === undefined;

const lines = async (...words: string[]) => {
  const run = await infer.run(['complete', '--', ...words]);
  expect(run).toMatchObject({ exitCode: 0, stderr: '' });
  return run.stdout.trimEnd().split('\n');
};

/** Runs a shell's script with our `infer` first on the PATH; returns its output lines. */
function shell(program: string, args: string[], script: string): string[] {
  const bin = path.join(infer.dir, 'bin');
  mkdirSync(bin, { recursive: true });
  const wrapper = infer.file('bin/infer', `#!/bin/sh\nexec "${process.execPath}" "${ROOT}bin/run.js" "$@"\n`);
  chmodSync(wrapper, 0o755);
  const run = spawnSync(program, [...args, script], {
    encoding: 'utf8',
    cwd: infer.dir,
    env: {
      PATH: `${bin}:${process.env.PATH}`,
      HOME: infer.dir,
      TERM: 'dumb',
      INFER_REDIS_URL: redis.url,
      INFER_STATE_DIR: path.join(infer.dir, 'state'),
    },
  });
  expect(run.stderr).toBe('');
  return run.stdout.split('\n').filter((line) => line !== '');
}

beforeAll(async () => {
  const client = await redis.client();
  await client.hset(
    queuesKey('infer'),
    'realtime',
    '{}',
    'nightly',
    '{}',
    'reports',
    '{}',
    '$(touch pwned)',
    '{}',
  );
  for (const name of ['autoscaled-0@box', '`id`', 'box-1']) {
    await client.set(workerKey('infer', name), JSON.stringify({ id: name, name }));
    await client.zadd(workersKey('infer'), '1', name);
  }
  infer.file('rows.ndjson', '');
});

describe('infer complete', () => {
  it('suggests commands, flags and live queue names', async () => {
    expect((await lines('')).map((line) => line.split('\t')[0])).toEqual(
      expect.arrayContaining([':none', 'submit', 'worker', 'inspect', 'metrics', 'completion']),
    );
    expect(await lines('comple')).toEqual([
      expect.stringMatching(/^:none$/),
      expect.stringMatching(/^completion\t/),
    ]);
    expect(await lines('worker', '-Q', 're')).toEqual([':none', 'realtime', 'reports']);
    expect(await lines('worker', '--queues=realtime,re')).toEqual([':none', '--queues=realtime,reports']);
    expect(await lines('worker', '--model', '')).toEqual([':none', 'digits']);
    expect(await lines('submit', '')).toEqual([':files']);
  });

  it('suggests no name that a shell would execute', async () => {
    expect(await lines('worker', '-Q', '')).toEqual([':none', 'nightly', 'realtime', 'reports']);
  });

  it('caches names for a few seconds in a file only the user can read', async () => {
    const client = await redis.client();
    await client.hset(queuesKey('kept'), 'first', '{}');
    expect(await lines('inspect', '--prefix', 'kept', '-Q', 'f')).toEqual([':none', 'first']);
    await client.hset(queuesKey('kept'), 'fresh', '{}');
    expect(await lines('inspect', '--prefix', 'kept', '-Q', 'f')).toEqual([':none', 'first']);
    // A different installation has a different cache.
    await client.hset(queuesKey('other'), 'theirs', '{}');
    expect(await lines('inspect', '--prefix', 'other', '-Q', 't')).toEqual([':none', 'theirs']);
    const state = path.join(infer.dir, 'state');
    const caches = readdirSync(state).filter((name) => name.startsWith('completion-'));
    expect(caches.length).toBeGreaterThan(1);
    for (const name of caches) expect(statSync(path.join(state, name)).mode & 0o077).toBe(0);
  });

  it('is fast and silent when Redis is down or hangs, or settings are invalid', async () => {
    const port = await freePort();
    for (const env of [
      { INFER_REDIS_URL: `redis://127.0.0.1:${port}` },
      { INFER_REDIS_URL: 'redis://203.0.113.1' },
      { INFER_REDIS_URL: 'nonsense' },
      { INFER_RETRIES: 'many' },
    ]) {
      const began = performance.now();
      const run = await infer.run(['complete', '--', 'inspect', '-Q', 'real'], { redis: null, env });
      expect(run, JSON.stringify(env)).toMatchObject({ exitCode: 0, stderr: '' });
      expect(run.stdout).toMatch(/^(:none\n(realtime\n)?)?$/);
      // On a busy machine most of the time is Node's start.
      expect(performance.now() - began).toBeLessThan(8000);
    }
  });
});

describe('infer completion', () => {
  it.each(['bash', 'zsh', 'fish'])('prints a script for %s, and as JSON how to install it', async (name) => {
    const run = await infer.run(['completion', name], { redis: null });
    expect(run).toMatchObject({ exitCode: 0, stderr: '' });
    const { script, install } = (await infer.run(['completion', name, '--json'])).json();
    expect(run.stdout).toBe(script);
    expect(install).toContain(`infer completion ${name}`);
    if (has(name)) {
      const file = infer.file(`completion.${name}`, run.stdout);
      const checked = spawnSync(name, ['-n', file], { encoding: 'utf8' });
      expect(checked).toMatchObject({ status: 0, stderr: '' });
    }
  });

  it('lists the supported shells', async () => {
    const run = await infer.run(['completion', 'tcsh']);
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toMatch(/bash, zsh, fish/);
  });
});

describe.skipIf(!has('bash'))('in bash', () => {
  /** What Tab makes of a line: each suggestion as the resulting whole line. */
  const tab = (line: string) =>
    shell(
      'bash',
      ['--norc', '--noprofile', '-c'],
      `eval "$(infer completion bash)"
       COMP_LINE=${quoted(line)} COMP_POINT=\${#COMP_LINE}
       COMP_WORDS=(${readlineWords(line).map(quoted).join(' ')}) COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))
       _infer infer; printf '%s\\n' "\${COMPREPLY[@]}"`,
    );

  it('completes commands, flags and live names', () => {
    expect(tab('infer work')).toEqual(['worker', 'workers']);
    expect(tab('infer redis st')).toEqual(['start', 'status', 'stop']);
    expect(tab('infer worker --prov')).toEqual(['--provider']);
    expect(tab('infer worker -Q re')).toEqual(['realtime', 'reports']);
    expect(tab('infer worker -Q nightly,r')).toEqual(['nightly,realtime', 'nightly,reports']);
  });

  it('replaces only the part that readline sees as the word: it also splits at =', () => {
    expect(tab('infer worker --queues=re')).toEqual(['realtime', 'reports']);
    expect(tab('infer worker --queues=')).toEqual(['nightly', 'realtime', 'reports']);
  });

  it('suggests files where a file is expected', () => {
    expect(tab('infer submit ro')).toEqual(['rows.ndjson']);
  });

  it.skipIf(!has('script'))('works when keys are typed interactively', () => {
    expect(typed('bash --norc --noprofile -i', 'eval "$(infer completion bash)"')).toContain(
      '"running": false',
    );
  });
});

describe.skipIf(!has('fish'))('in fish (skipped where it is not installed)', () => {
  const tab = (line: string) =>
    shell('fish', ['--no-config', '-c'], `infer completion fish | source; complete -C ${quoted(line)}`).map(
      (reply) => reply.split('\t')[0],
    );

  it('completes commands, flags, live names and files', () => {
    expect(tab('infer work')).toEqual(['worker', 'workers']);
    expect(tab('infer worker --prov')).toEqual(['--provider']);
    expect(tab('infer worker -Q re')).toEqual(['realtime', 'reports']);
    expect(tab('infer worker --queues=re')).toEqual(['--queues=realtime', '--queues=reports']);
    expect(tab('infer submit ro')).toEqual(['rows.ndjson']);
  });
});

describe.skipIf(!has('zsh'))('in zsh (skipped where it is not installed)', () => {
  // zsh completion runs only inside its line editor, so the two calls that return results are replaced.
  const tab = (...words: string[]) =>
    shell(
      'zsh',
      ['-f', '-c'],
      `compdef() { : }
       _describe() { local -a given; given=("\${(@P)4}"); print -rl -- "\${given[@]}" }
       _files() { print -r -- "files $*" }
       source <(infer completion zsh)
       words=(infer ${words.map(quoted).join(' ')}) CURRENT=${words.length + 1} PREFIX=${quoted(words.at(-1) ?? '')}
       _infer`,
    );

  it('completes commands, flags, live names and files', () => {
    expect(tab('redis', 'stat')).toEqual([expect.stringMatching(/^status:show infer's own/)]);
    expect(tab('worker', '-Q', 're')).toEqual(['realtime', 'reports']);
    expect(tab('worker', '--queues=re')).toEqual(['--queues=realtime', '--queues=reports']);
    expect(tab('submit', '')).toEqual(['files ']);
    expect(tab('worker', '--models', '')).toEqual(['files -/']);
  });

  it.skipIf(!has('script'))('works when keys are typed interactively', () => {
    const start = 'autoload -Uz compinit && compinit -u -D && source <(infer completion zsh)';
    expect(typed('zsh -f -i', start)).toContain('"running": false');
  });
});

it('no suggested name has been executed', () => {
  expect(existsSync(path.join(infer.dir, 'pwned'))).toBe(false);
});

/** The output of a shell in its own terminal when Tab completes `stat` to `infer redis status --json`. */
function typed(command: string, start: string): string {
  const file = infer.file('keys', `${start}\ninfer redis stat\t--json\nexit\n`);
  return shell('bash', ['--norc', '-c'], `script -qec '${command}' /dev/null < ${file}`).join('\n');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** As readline splits a line for COMP_WORDS: at blanks, and = : @ are words of their own. */
function readlineWords(line: string): string[] {
  return line.split(/\s+/).flatMap((word) => word.split(/([=:@]+)/).filter((part) => part !== ''));
}
