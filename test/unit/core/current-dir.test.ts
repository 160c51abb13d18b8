import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { currentDir, dirForChild } from '../../../src/lib/core/current-dir.js';

describe('the current directory according to Node.js', () => {
  afterEach(() => vi.restoreAllMocks());

  it('is used while it exists, and a child process gets another otherwise', () => {
    const cwd = vi.spyOn(process, 'cwd').mockReturnValue(tmpdir());
    expect([currentDir(), dirForChild()]).toEqual([tmpdir(), tmpdir()]);
    cwd.mockReturnValue(join(tmpdir(), 'infer-never-made'));
    expect(dirForChild()).toBe('/');
  });

  it('can be missing, which is an error with a fix', () => {
    const cause = Object.assign(new Error('ENOENT: uv_cwd'), { code: 'ENOENT' });
    vi.spyOn(process, 'cwd').mockImplementation(() => {
      throw cause;
    });
    expect(() => currentDir()).toThrow(
      expect.objectContaining({
        code: 'NO_CURRENT_DIR',
        exitCode: 66,
        message: 'the current directory no longer exists',
        hint: expect.stringContaining('cd ~'),
        cause,
      }),
    );
  });
});

// A thread, as in a mutation run, has no current directory of its own.
describe.runIf(isMainThread)('the real current directory', () => {
  const home = process.cwd();
  let dir = '';
  beforeEach(() => {
    dir = realpathSync(mkdtempSync(join(tmpdir(), 'infer-cwd-')));
    process.chdir(dir);
  });
  afterEach(() => {
    process.chdir(home);
    rmSync(dir, { recursive: true, force: true });
  });

  it('is used for this process and its children', () => {
    expect([currentDir(), dirForChild()]).toEqual([dir, dir]);
  });

  it('that was deleted gives an error with a fix', () => {
    rmSync(dir, { recursive: true });
    expect(() => currentDir()).toThrow(
      expect.objectContaining({
        code: 'NO_CURRENT_DIR',
        exitCode: 66,
        message: 'the current directory no longer exists',
        hint: expect.stringContaining('cd ~'),
        cause: expect.objectContaining({ code: 'ENOENT' }),
      }),
    );
  });

  it('that is deleted later makes a child start in the root directory', () => {
    // Node caches the current directory.
    expect(currentDir()).toBe(dir);
    rmSync(dir, { recursive: true });
    expect(dirForChild()).toBe('/');
  });
});
