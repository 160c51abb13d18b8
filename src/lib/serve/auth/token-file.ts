import { randomBytes, randomUUID } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { InferError, messageOf } from '../../core/errors.js';
import { takeLock } from '../../core/file-lock.js';
import { tokenDigest } from './bearer.js';
import type { Scope, TokenLimits } from './caller.js';
import {
  checkTokenModel,
  checkTokenName,
  parseTokenFile,
  type TokenFile,
  type TokenRecord,
} from './token-record.js';

const PREFIX = 'inf_';
/** 192 bits, 32 characters of base64url. */
const SECRET_BYTES = 24;
const FILE_MODE = 0o600;
/** Read permissions for others, which an existing file keeps. */
const READERS = 0o044;
const LOCK_MS = 5000;
const EMPTY: TokenFile = { version: 1, tokens: [] };

/** Reads the token file. @throws InferError TOKEN_FILE (78). */
export function readTokenFile(file: string): TokenFile {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw unusable(file, `cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  try {
    return parseTokenFile(text);
  } catch (error) {
    throw unusable(file, `is not a token file: ${messageOf(error)}`);
  }
}

/** The same; a missing file has no tokens. @throws InferError TOKEN_FILE (78). */
export function tokensIn(file: string): TokenRecord[] {
  try {
    readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
  }
  return readTokenFile(file).tokens;
}

export interface NewToken {
  name: string;
  scopes: readonly Scope[];
  models?: readonly string[] | undefined;
  limits?: TokenLimits | undefined;
  /** Milliseconds until it expires; undefined = never. */
  expiresMs?: number | undefined;
}

/**
 * Adds a token; no file contains its text.
 * @throws InferError TOKEN_NAME, TOKEN_MODEL_NAME (2), TOKEN_EXISTS (1), TOKEN_FILE (78).
 */
export async function addToken(
  file: string,
  wanted: NewToken,
): Promise<{ token: string; record: TokenRecord }> {
  const { token, secret } = newSecret(wanted.expiresMs);
  const { models, limits } = wanted;
  const record: TokenRecord = {
    name: checkTokenName(wanted.name),
    scopes: [...wanted.scopes],
    secrets: [secret],
    ...(models === undefined ? {} : { models: models.map(checkTokenModel) }),
    ...(limits === undefined ? {} : { limits }),
  };
  await change(file, ({ tokens }) => {
    if (tokens.some(({ name }) => name === record.name)) {
      throw new InferError('TOKEN_EXISTS', `there is already a token called ${record.name}`, {
        hint: `infer token create ${record.name} --rotate gives it a new secret`,
      });
    }
    return { version: 1, tokens: [...tokens, record] };
  });
  return { token, record };
}

/**
 * Gives a token a new secret. The older ones stay valid for `overlapMs`, so that callers can be updated.
 * @throws InferError TOKEN_UNKNOWN (66), TOKEN_FILE (78).
 */
export async function rotateToken(
  file: string,
  name: string,
  { overlapMs, expiresMs }: { overlapMs: number; expiresMs?: number | undefined },
): Promise<{ token: string; record: TokenRecord }> {
  const { token, secret } = newSecret(expiresMs);
  const end = Date.now() + overlapMs;
  const changed = await change(file, ({ tokens }) => {
    const found = tokenOf(file, tokens, name);
    const older = found.secrets
      .filter(({ expiresAt }) => expiresAt === undefined || Date.parse(expiresAt) > Date.now())
      .map((one) => ({
        ...one,
        expiresAt: new Date(Math.min(end, Date.parse(one.expiresAt ?? '') || end)).toISOString(),
      }));
    const record = { ...found, secrets: [...(overlapMs > 0 ? older : []), secret] };
    return { version: 1, tokens: tokens.map((one) => (one === found ? record : one)) };
  });
  return { token, record: tokenOf(file, changed.tokens, name) };
}

/** Removes a token. @throws InferError TOKEN_UNKNOWN (66), TOKEN_FILE (78). */
export async function removeToken(file: string, name: string): Promise<void> {
  await change(file, ({ tokens }) => {
    const found = tokenOf(file, tokens, name);
    return { version: 1, tokens: tokens.filter((one) => one !== found) };
  });
}

function tokenOf(file: string, tokens: readonly TokenRecord[], name: string): TokenRecord {
  const found = tokens.find((one) => one.name === name);
  if (found !== undefined) return found;
  const names = tokens.map((one) => one.name);
  throw new InferError('TOKEN_UNKNOWN', `${file} has no token of this name`, {
    hint: names.length === 0 ? 'infer token create NAME creates one' : `it has: ${names.join(', ')}`,
  });
}

function newSecret(expiresMs: number | undefined) {
  const token = PREFIX + randomBytes(SECRET_BYTES).toString('base64url');
  const now = Date.now();
  const secret = {
    sha256: tokenDigest(token).toString('hex'),
    createdAt: new Date(now).toISOString(),
    ...(expiresMs === undefined ? {} : { expiresAt: new Date(now + expiresMs).toISOString() }),
  };
  return { token, secret };
}

/** Changes the file under a lock, and replaces it as a whole: a gateway may read it at any moment. */
async function change(file: string, changed: (now: TokenFile) => TokenFile): Promise<TokenFile> {
  const target = realPath(file);
  const lock = await takeLock(`${target}.lock`, {
    waitMs: LOCK_MS,
    busy: ({ pid }) => unusable(file, `is being changed by process ${pid}`),
  }).catch((error: unknown) => {
    throw error instanceof InferError && error.code === 'TOKEN_FILE'
      ? error
      : unusable(file, `cannot be written: ${messageOf(error)}`);
  });
  try {
    const tokens = tokensIn(target);
    const next = changed(tokens.length === 0 ? EMPTY : { version: 1, tokens });
    const text = `${JSON.stringify(next, null, 2)}\n`;
    // A file that gateways could not read would keep every later change from them.
    parseTokenFile(text);
    replace(target, text);
    return next;
  } finally {
    lock.release();
  }
}

/** Replaces the target of a symbolic link, not the link. */
function realPath(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}

function replace(file: string, text: string): void {
  const aside = join(dirname(file), `.${basename(file)}.${randomUUID()}`);
  const before = statSync(file, { throwIfNoEntry: false });
  try {
    const handle = openSync(aside, 'wx', FILE_MODE);
    try {
      if (before !== undefined) keepOwner(handle, file, before);
      writeSync(handle, text);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(aside, file);
  } catch (error) {
    rmSync(aside, { force: true });
    if (error instanceof InferError) throw error;
    throw unusable(file, `cannot be written (${(error as NodeJS.ErrnoException).code})`);
  }
}

/**
 * A replaced file keeps its owner and permissions. Otherwise the user of a gateway could not read the change,
 * and revoked tokens would stay valid. @throws InferError TOKEN_FILE (78) if the owner cannot be kept.
 */
function keepOwner(handle: number, file: string, { uid, gid, mode }: Stats): void {
  const now = fstatSync(handle);
  try {
    if (now.uid !== uid || now.gid !== gid) fchownSync(handle, uid, gid);
  } catch {
    throw unusable(file, `belongs to user ${uid} and group ${gid}, who could not read the change`, {
      hint: 'run the command as that user, or as root: nothing was changed',
    });
  }
  fchmodSync(handle, FILE_MODE | (mode & READERS));
}

function unusable(
  file: string,
  reason: string,
  { hint } = { hint: 'infer token create NAME --token-file FILE creates one' },
): InferError {
  return new InferError('TOKEN_FILE', `the token file ${file} ${reason}`, { hint });
}
