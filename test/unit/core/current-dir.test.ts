import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { currentDir, dirForChild } from '../../../src/lib/core/current-dir.js';

describe('what Node.js says of the current directory', () => {
  afterEach(() => vi.restoreAllMocks());

  it('is believed, and a child is sent elsewhere where that is no longer there', () => {
    const cwd = vi.spyOn(process, 'cwd').mockReturnValue(tmpdir());
    expect([currentDir(), dirForChild()]).toEqual([tmpdir(), tmpdir()]);
    cwd.mockReturnValue(join(tmpdir(), 'infer-never-made'));
    expect(dirForChild()).toBe('/');
  });

  it('may be that there is none: an error that says what to do', () => {
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
describe.runIf(isMainThread)('the current directory', () => {
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

  it('is where this process is, for a child too', () => {
    expect([currentDir(), dirForChild()]).toEqual([dir, dir]);
  });

  it('that was deleted is an error that says what to do', () => {
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

  it('that is deleted later leaves a child the root directory', () => {
    // Node remembers where it is.
    expect(currentDir()).toBe(dir);
    rmSync(dir, { recursive: true });
    expect(dirForChild()).toBe('/');
  });
});
