import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RedisClient } from '../../src/lib/redis/types.js';
import { type Started, until, useInfer } from '../support/cli.js';
import { digitLines } from '../support/digits.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis();
const infer = useInfer(redis);
let watcher: RedisClient;

beforeAll(async () => {
  watcher = (await redis.client()) as RedisClient;
});

const connections = async () =>
  String(await watcher.client('LIST'))
    .trim()
    .split('\n').length;
const groups = async () => (await watcher.keys('*:grp:*')) as string[];

/** From its connection on, a command handles Ctrl-C itself. Boxed, since a command is a promise of its own exit. */
async function connected(start: () => Started): Promise<{ command: Started }> {
  const before = await connections();
  const command = start();
  await until(async () => ((await connections()) > before ? true : undefined));
  return { command };
}

async function interrupt(command: Started): Promise<unknown> {
  command.kill('SIGINT');
  const { exitCode, stdout } = await command;
  return [exitCode, stdout];
}

describe('the first Ctrl-C ends a submit whose input is silent', () => {
  it('before the first row', async () => {
    const { command } = await connected(() =>
      infer.start(['submit', '-', '--model', 'digits'], { stdin: { open: true } }),
    );
    expect(await interrupt(command)).toEqual([130, '']);
  });

  it('after some rows, which are withdrawn', async () => {
    const command = infer.start(['submit', '-', '--model', 'digits'], { stdin: { open: true } });
    // More than a chunk, so that the group is opened.
    command.stdin?.write(digitLines(397));
    await until(async () => ((await groups()).length === 1 ? true : undefined));
    expect(await interrupt(command)).toEqual([130, '']);
    expect(await groups()).toEqual([]);
  });

  it('when its input is a named pipe', async () => {
    const pipe = path.join(infer.dir, 'rows');
    execFileSync('mkfifo', [pipe]);
    // For reading and writing, so that opening does not wait for the other end.
    const held = openSync(pipe, 'r+');
    try {
      const { command } = await connected(() => infer.start(['submit', pipe, '--model', 'digits']));
      expect(await interrupt(command)).toEqual([130, '']);
    } finally {
      closeSync(held);
    }
  });
});
