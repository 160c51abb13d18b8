import { timingSafeEqual } from 'node:crypto';
import { type Stats, statSync } from 'node:fs';
import { type InferError, messageOf } from '../../core/errors.js';
import type { Logger } from '../../telemetry/logger.js';
import { tokenDigest } from './bearer.js';
import type { Caller, Scope } from './caller.js';
import { readTokenFile } from './token-file.js';
import type { TokenRecord } from './token-record.js';

/** How often the file is checked: a revoked token works no longer than this. */
const LOOK_MS = 1000;

interface KnownSecret {
  digest: Buffer;
  /** Milliseconds since the epoch. */
  expiresAt: number;
  caller: Caller;
}

/**
 * The tokens of a file, which is read again when it changes. While it cannot be used, the previous tokens
 * apply.
 */
export class TokenStore {
  private secrets: ReadonlyMap<string, KnownSecret>;
  /** The file that was read last, and the one that was reported because it could not be used. */
  private mark: string;
  private refused: string | undefined;
  private readonly timer: NodeJS.Timeout;

  /** @throws InferError TOKEN_FILE (78). */
  constructor(
    private readonly file: string,
    private readonly log: Logger,
  ) {
    this.mark = markOf(file);
    this.secrets = secretsOf(readTokenFile(file).tokens);
    this.timer = setInterval(() => this.look(), LOOK_MS);
    this.timer.unref();
  }

  /** Names of tokens that have not expired. */
  get names(): string[] {
    return [...new Set([...this.secrets.values()].map(({ caller }) => caller.name as string))];
  }

  /** The caller with this token; undefined if the token is unknown or has expired. */
  find(token: string): Caller | undefined {
    const digest = tokenDigest(token);
    // It is looked up by digest, which a caller cannot choose, so the time that this takes reveals nothing
    // about a token.
    const known = this.secrets.get(digest.toString('hex'));
    if (known === undefined || !timingSafeEqual(known.digest, digest)) return undefined;
    return known.expiresAt > Date.now() ? known.caller : undefined;
  }

  close(): void {
    clearInterval(this.timer);
  }

  private look(): void {
    const mark = markOf(this.file);
    if (mark === this.mark) return;
    try {
      this.secrets = secretsOf(readTokenFile(this.file).tokens);
      this.mark = mark;
      this.refused = undefined;
      this.log.info({ tokens: this.names.length }, 'the token file was read again');
    } catch (error) {
      // It may be no fault of the file, such as too many open files, and pass without a change of it: it is
      // read again, and told once.
      if (this.refused === mark) return;
      this.refused = mark;
      const { message, hint } = error as InferError;
      this.log.error(
        { reason: message, hint },
        'the token file cannot be used; the previous tokens still apply',
      );
    }
  }
}

function secretsOf(tokens: readonly TokenRecord[]): ReadonlyMap<string, KnownSecret> {
  const found = new Map<string, KnownSecret>();
  for (const token of tokens) {
    const caller = callerOf(token);
    for (const { sha256, expiresAt } of token.secrets) {
      const until = expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiresAt);
      found.set(sha256, { digest: Buffer.from(sha256, 'hex'), expiresAt: until, caller });
    }
  }
  return found;
}

function callerOf({ name, scopes, models, limits }: TokenRecord): Caller {
  // `read:all` includes `read` and `metrics`.
  const allowed = new Set<Scope>(scopes.includes('read:all') ? [...scopes, 'read', 'metrics'] : scopes);
  return {
    name,
    allows: (scope) => allowed.has(scope),
    ...(models === undefined ? {} : { models }),
    ...(limits === undefined ? {} : { limits }),
  };
}

/** Differs when the file was replaced or changed, or says why it cannot be read. */
function markOf(file: string): string {
  try {
    const { ino, size, mtimeMs, ctimeMs }: Stats = statSync(file);
    return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
  } catch (error) {
    return messageOf(error);
  }
}
