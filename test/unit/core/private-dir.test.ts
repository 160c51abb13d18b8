import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { makePrivateDir, stateFileError } from '../../../src/lib/core/private-dir.js';
import { ORDINARY_UID } from '../../support/ordinary-user.js';

const root = process.getuid?.() === 0;
let outer = '';
let dir = '';
beforeEach(() => {
  outer = mkdtempSync(join(tmpdir(), 'infer-private-'));
  dir = join(outer, 'above', 'state');
});
afterEach(() => rmSync(outer, { recursive: true, force: true }));

const make = () =>
  makePrivateDir(dir, (path, reason, fix) => Object.assign(new Error(reason), { path, fix }));
const modeOf = (path: string) => lstatSync(path).mode & 0o777;

describe('a private directory', () => {
  it('is created for its owner only, with missing parents', () => {
    make();
    expect([modeOf(dir), modeOf(join(outer, 'above'))]).toEqual([0o700, 0o700]);
    make();
    expect(modeOf(dir)).toBe(0o700);
  });

  it.each([0o755, 0o770, 0o701])('with mode %o is restricted to its owner', (mode) => {
    mkdirSync(dir, { recursive: true });
    chmodSync(dir, mode);
    make();
    expect(modeOf(dir)).toBe(0o700);
  });

  it('is refused where a file or link has its name, or a parent is a file', () => {
    mkdirSync(join(outer, 'above'), { mode: 0o700 });
    symlinkSync(outer, dir);
    expect(make).toThrow(expect.objectContaining({ message: 'is not a directory', path: dir }));
    rmSync(dir);
    writeFileSync(dir, '');
    expect(make).toThrow(/^cannot be made \(EEXIST\)$/);
    dir = join(dir, 'deeper');
    expect(make).toThrow(/^cannot be made \(ENOTDIR\)$/);
  });

  it.each([
    [0o777, false],
    [0o720, false],
    [0o1777, true],
    [0o755, true],
  ])('below a directory of mode %o is safe: %s', (mode, safe) => {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const above = join(outer, 'above');
    chmodSync(above, mode);
    if (safe) expect(make).not.toThrow();
    else {
      const refusal = { message: 'may be written by other users', path: above, fix: `chmod go-w ${above}` };
      expect(make).toThrow(expect.objectContaining(refusal));
    }
  });

  it.runIf(root)('of another user is refused', () => {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    chownSync(dir, ORDINARY_UID, ORDINARY_UID);
    expect(make).toThrow(expect.objectContaining({ message: 'belongs to another user', path: dir }));
  });

  it.runIf(root)("below another user's directory in a world-writable place is refused", () => {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const above = join(outer, 'above');
    chownSync(above, ORDINARY_UID, ORDINARY_UID);
    expect(make).not.toThrow();
    chmodSync(outer, 0o1777);
    expect(make).toThrow(expect.objectContaining({ message: 'belongs to another user', path: above }));
    chownSync(above, 0, 0);
    expect(make).not.toThrow();
  });
});

describe('an unwritable file in the state directory', () => {
  const failed = (code: string) => Object.assign(new Error(code), { code });

  it.each(['EACCES', 'EPERM', 'EROFS'])('is reported as a permission problem for %s', (code) => {
    expect(stateFileError('/s/f', failed(code))).toMatchObject({
      code: 'STATE_DIR',
      message: `/s/f cannot be read or written (${code})`,
      hint: 'choose another state directory with INFER_STATE_DIR',
      exitCode: 77,
    });
  });

  it('is reported as lack of space on a full disk', () => {
    const error = failed('ENOSPC');
    expect(stateFileError('/s/f', error)).toMatchObject({
      hint: expect.stringMatching(/^free some space, or .*INFER_STATE_DIR$/),
      exitCode: 69,
      cause: error,
    });
  });

  it('leaves any other error unchanged', () => {
    const plain = new TypeError('not of the system');
    const ours = Object.assign(new InferError('POOL_LOST', 'gone'), { code: 'POOL_LOST' });
    expect([stateFileError('f', plain), stateFileError('f', ours)]).toEqual([plain, ours]);
    expect(stateFileError('f', ours)).toBe(ours);
  });
});
