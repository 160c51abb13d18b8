import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { lockHolder, takeLock } from '../../../src/lib/core/file-lock.js';
import { markOf } from '../../../src/lib/core/process-alive.js';

const before = vi.hoisted(() => ({ rename: undefined as (() => void) | undefined }));

vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>();
  return {
    ...real,
    renameSync: (from: string, to: string) => {
      before.rename?.();
      before.rename = undefined;
      real.renameSync(from, to);
    },
  };
});

let dir = '';
let file = '';
beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), 'infer-lock-'));
  file = join(dir, 'lock');
});
afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));

const busy = ({ purpose }: { purpose?: string | undefined }) => new Error(`held for ${purpose}`);

it('a lock that another process took over a moment earlier is restored', async () => {
  const stale = JSON.stringify({ pid: 2 ** 22 + 1, since: 1 });
  const fresh = JSON.stringify({ ...markOf(process.ppid), since: 2, purpose: 'the winner' });
  fs.writeFileSync(file, stale);
  // Between reading the stale lock and removing it.
  before.rename = () => fs.writeFileSync(file, fresh);
  await expect(takeLock(file, { waitMs: 0, busy })).rejects.toThrow('held for the winner');
  expect(fs.readFileSync(file, 'utf8')).toBe(fresh);
  expect(lockHolder(file)).toMatchObject({ purpose: 'the winner' });
  expect(fs.readdirSync(dir)).toEqual(['lock']);
});
