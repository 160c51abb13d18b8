import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openSink } from '../../../src/lib/output/open-sink.js';
import { openReplacement } from '../../../src/lib/output/replacement.js';

const listeners = () => ['exit', 'SIGHUP', 'SIGQUIT'].map((event) => process.listenerCount(event));
let dir = '';
let target = '';
let before: number[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'infer-part-'));
  target = join(dir, 'rows.json');
  before = listeners();
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
  expect(listeners()).toEqual(before);
});

it('a replacement lies next to its target until it is complete', async () => {
  writeFileSync(target, 'old', { mode: 0o640 });
  const sink = await openReplacement(target, statSync(target));
  await sink.write('new');
  expect(readdirSync(dir)).toEqual(['rows.json', expect.stringMatching(/^rows\.json\.part-[\w-]{36}$/)]);
  expect(readFileSync(target, 'utf8')).toBe('old');
  await sink.commit();
  expect(readdirSync(dir)).toEqual(['rows.json']);
  expect([readFileSync(target, 'utf8'), statSync(target).mode & 0o777]).toEqual(['new', 0o640]);
});

it('an abandoned replacement leaves nothing', async () => {
  const sink = await openReplacement(target, undefined);
  await sink.write('half');
  expect(readdirSync(dir)).toHaveLength(1);
  await sink.discard();
  expect(readdirSync(dir)).toEqual([]);
});

it('a replacement that cannot take its place leaves nothing', async () => {
  const sink = await openReplacement(target, undefined);
  await sink.write('whole');
  // Meanwhile a directory has taken the name.
  mkdirSync(join(target, 'full'), { recursive: true });
  await expect(sink.commit()).rejects.toMatchObject({
    code: expect.stringMatching(/^(EISDIR|ENOTEMPTY|EEXIST)$/),
  });
  expect(readdirSync(dir)).toEqual(['rows.json']);
});

it('a replacement is not blocked by a leftover of a process with the same pid', async () => {
  const [first, second] = [
    await openReplacement(target, undefined),
    await openReplacement(target, undefined),
  ];
  await Promise.all([first.write('a'), second.write('b')]);
  await first.commit();
  await second.commit();
  expect(readFileSync(target, 'utf8')).toBe('b');
});

it('a file whose group cannot be preserved is written in place', async () => {
  writeFileSync(target, 'old');
  if (process.getuid?.() === 0) chownSync(target, 65_534, 65_534);
  const { ino, uid } = statSync(target);
  vi.spyOn(process, 'geteuid').mockReturnValue(uid);
  vi.spyOn(process, 'getegid').mockReturnValue(12_345);
  vi.spyOn(process, 'getgroups').mockReturnValue([12_345]);
  try {
    const sink = await openSink(target);
    await sink.write('new');
    await sink.commit();
  } finally {
    vi.restoreAllMocks();
  }
  expect([readFileSync(target, 'utf8'), statSync(target).ino]).toEqual(['new', ino]);
});

it('a replacement works for names of any length', async () => {
  target = join(dir, `${'é'.repeat(120)}.json`);
  const sink = await openReplacement(target, undefined);
  await sink.write('x');
  await sink.commit();
  expect(readFileSync(target, 'utf8')).toBe('x');
});
