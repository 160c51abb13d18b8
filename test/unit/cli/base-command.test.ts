import { Args } from '@oclif/core';
import { describe, expect, it } from 'vitest';
import { BaseCommand } from '../../../src/lib/cli/base-command.js';
import {
  durationFlag,
  manyQueuesFlag,
  priorityFlag,
  settingFlags,
  waitFlag,
  wholeFlag,
} from '../../../src/lib/cli/flags.js';
import { Interrupted } from '../../../src/lib/cli/signals.js';
import { InferError } from '../../../src/lib/core/errors.js';
import { ExitCode } from '../../../src/lib/core/exit-codes.js';
import { runCommand } from './run-command.js';

let thrown: (() => never) | undefined;

class Try extends BaseCommand<typeof Try> {
  static override id = 'try';
  static override args = { file: Args.string({ required: false }) };
  static override flags = {
    ...settingFlags('maxBatch', 'queues', 'gpu', 'provider', 'requireGpu'),
    priority: priorityFlag(),
    only: manyQueuesFlag('queues to act on'),
    wait: waitFlag(),
    limit: durationFlag(),
    rows: wholeFlag({ min: 1, max: 5, description: 'rows' }),
  };

  async run(): Promise<unknown> {
    thrown?.();
    this.note('a note');
    this.warn('a warning');
    this.next('infer next');
    await this.print(['a line']);
    const { priority, only, wait, limit, rows } = this.flags;
    const { maxBatch, queues, gpu, provider, requireGpu, prefix } = this.settings;
    this.endWith(ExitCode.Negative);
    return {
      file: this.args.file,
      priority,
      only,
      wait,
      limit,
      rows,
      maxBatch,
      queues,
      gpu,
      provider,
      requireGpu,
      prefix,
    };
  }
}

class Bare extends BaseCommand<typeof Bare> {
  static override id = 'bare';
  async run(): Promise<{ ok: true }> {
    return { ok: true };
  }
}

async function run(argv: string[], env: Record<string, string> = {}) {
  thrown = undefined;
  return runCommand(Try, argv, env);
}
const json = async (...argv: string[]) =>
  JSON.parse((await run([...argv, '--json'])).stdout) as Record<string, unknown>;

async function failWith(error: unknown, ...argv: string[]) {
  thrown = () => {
    throw error;
  };
  try {
    return await runCommand(Try, argv, argv.includes('--debug') ? { INFER_DEBUG: '1' } : {});
  } finally {
    thrown = undefined;
  }
}

describe("a command's output streams", () => {
  it('carry data on stdout and everything else on stderr', async () => {
    expect(await run([])).toEqual({
      stdout: 'a line\n',
      // The printed name of infer depends on how it was started: here by the test runner.
      stderr: expect.stringMatching(/^a note\nWarning: a warning\nNext: .*\S next\n$/) as string,
      exitCode: 1,
    });
  });

  it('keep warnings and drop notes under --quiet', async () => {
    expect((await run(['-q'])).stderr).toBe('Warning: a warning\n');
  });

  it('carry only the document on stdout under --json, and keep notes, warnings and the exit code', async () => {
    const { stdout, stderr, exitCode } = await run(['--json']);
    expect(JSON.parse(stdout)).toMatchObject({ queues: ['realtime', 'batch', 'default'], prefix: 'infer' });
    expect(stderr).toBe('a note\nWarning: a warning\n');
    expect(exitCode).toBe(1);
  });

  it('work for a command without flags or arguments', async () => {
    expect(await runCommand(Bare, ['--json'])).toMatchObject({ stdout: '{\n  "ok": true\n}\n', exitCode: 0 });
  });
});

describe('--wait with and without a time', () => {
  it.each([
    [['--wait'], 30_000, undefined],
    [['--wait', '2s'], 2000, undefined],
    [['--wait=2s'], 2000, undefined],
    [['--wait', 'data.json'], 30_000, 'data.json'],
    [['--wait', '2s', 'data.json'], 2000, 'data.json'],
    [['data.json', '--wait'], 30_000, 'data.json'],
    [['data.json', '--wait', '1.5m'], 90_000, 'data.json'],
    [['--wait', '--priority', '3', 'data.json'], 30_000, 'data.json'],
    [['--wait', '--', '5'], 30_000, '5'],
    [['data.json'], undefined, 'data.json'],
    [['--', '--wait'], undefined, '--wait'],
  ])('parses %j', async (argv, wait, file) => {
    const { stdout } = await run(['--json', ...argv]);
    const parsed = JSON.parse(stdout) as { wait?: number; file?: string };
    expect([parsed.wait, parsed.file]).toEqual([wait, file]);
  });

  it('rejects an invalid time', async () => {
    expect(await run(['--wait=soon'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("Error: --wait: 'soon' is not a duration\nTry: "),
    });
  });
});

describe('command-line flags', () => {
  it('parse priorities, lists, times and settings', async () => {
    const argv = ['--priority', '9', '--only', 'a,b', '--only', 'c', '--limit', '500ms', '--rows', '3'];
    const settings = [
      '--max-batch',
      '8',
      '--queues',
      'x,y',
      '--gpu',
      '0',
      'data.json',
      '--provider',
      'cpu',
      '--require-gpu',
    ];
    expect(await json(...argv, ...settings)).toMatchObject({
      priority: 9,
      only: ['a', 'b', 'c'],
      limit: 500,
      rows: 3,
      maxBatch: 8,
      queues: ['x', 'y'],
      gpu: '0',
      file: 'data.json',
      provider: 'cpu',
      requireGpu: true,
    });
  });

  it.each([
    [['--priority', '10'], 'Error: --priority: priority 10 is not a whole number of 0..9'],
    [['--priority', 'high'], "Error: --priority: 'high' is not a whole number of 0..9"],
    [['--priority', '-1'], 'Error: --priority: priority -1 is not'],
    [['--max-batch', 'x'], "Error: --max-batch: the value 'x' is not a whole number"],
    [['--provider', 'cuad'], 'Error: Expected --provider=cuad to be one of: auto, cpu'],
    [['--only', 'a b'], "Error: --only: 'a b' is not a queue name"],
    [
      ['--priorty', '3'],
      'Error: there is no flag --priorty\nTry: did you mean --priority? See infer try --help',
    ],
    [['--limit'], 'Error: --limit expects a value\nTry: infer try --help'],
    [['a', 'b'], 'Error: unexpected argument: b\nTry: infer try --help'],
  ])('rejected as %j give a usage error of two lines', async (argv, message) => {
    const { stdout, stderr, exitCode } = await run(argv);
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(2);
    expect([stdout, exitCode]).toEqual(['', 2]);
  });

  it('that are rejected under --json give short lines and keep the exit code', async () => {
    const { stdout, exitCode } = await run(['--jsn', '--json']);
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout)).toEqual({
      ok: false,
      error: {
        code: 'USAGE',
        message: 'there is no flag --jsn',
        hint: 'did you mean --json? See infer try --help',
        exitCode: 2,
      },
    });
  });
});

describe('an error of a command', () => {
  const full = () => new InferError('REDIS_FULL', 'the queue\u001b[2J is full', { hint: 'wait' });

  it('is two lines on stderr with its exit code', async () => {
    expect(await failWith(full())).toEqual({
      stdout: '',
      stderr: 'Error: the queue\\x1b[2J is full\nTry: wait\n',
      exitCode: 75,
    });
  });

  it('is a document on stdout under --json', async () => {
    const { stdout, stderr, exitCode } = await failWith(full(), '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      error: { code: 'REDIS_FULL', hint: 'wait', exitCode: 75 },
    });
    expect([stderr, exitCode]).toEqual(['', 75]);
  });

  it('that is unexpected is reported as a bug: exit 70, no stack, no credentials', async () => {
    const { stderr, exitCode } = await failWith(new TypeError('lost redis://u:hunter2@h'));
    expect(exitCode).toBe(70);
    expect(stderr).toContain('this is a bug in infer: TypeError: lost redis://***@h');
    expect(stderr).not.toMatch(/hunter2|\n\s+at /);
  });

  it('shows the stack with INFER_DEBUG=1', async () => {
    thrown = () => {
      throw new TypeError('boom');
    };
    const { stderr } = await runCommand(Try, [], { INFER_DEBUG: '1' });
    expect(stderr).toMatch(/\n\s+at /);
  });

  it('caused by a signal prints nothing', async () => {
    expect(await failWith(new Interrupted('SIGINT'))).toEqual({ stdout: '', stderr: '', exitCode: 130 });
    expect(await failWith(new Interrupted('SIGTERM'), '--json')).toMatchObject({ stdout: '', exitCode: 143 });
  });

  it('in the configuration exits 78', async () => {
    expect(await run([], { INFER_PREFIX: 'a b' })).toMatchObject({
      exitCode: 78,
      stderr: expect.stringMatching(/^Error: INFER_PREFIX: .*\nTry: INFER_PREFIX=infer\n$/),
    });
  });
});
