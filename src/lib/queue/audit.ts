import type { RedisClient } from '../redis/types.js';
import { requestToken, writeOnce } from './broker/once.js';
import { auditKey, requestKey } from './keys.js';

/** Entries kept, about: the oldest go first, in whole nodes of the stream. */
const ENTRIES_KEPT = 10_000;
/** Characters of any one text that are kept. */
const TEXT_MAX = 500;

/** Who did what to which part of the installation, and what came of it. */
export interface AuditEntry {
  /** Milliseconds since the epoch, by Redis' own clock. */
  at: number;
  /** Operating-system user, or the name given with `--as`. */
  who: string;
  /** Host the command ran on. */
  host: string;
  /** The command: `pause`, `set`, `purge`. */
  action: string;
  /** What it was meant for: a queue, a worker, a number of jobs. */
  target: string;
  /** Its further words, such as `concurrency 4`; never a payload. */
  detail: string;
  /** What came of it, in words; of a failure the reason. */
  result: string;
  ok: boolean;
}

/** Appends to the installation's audit log, a stream that keeps about the last 10,000 entries. */
export async function writeAudit(
  client: RedisClient,
  prefix: string,
  entry: Omit<AuditEntry, 'at'>,
): Promise<void> {
  const { who, host, action, target, detail, result, ok } = entry;
  const fields = Object.entries({ who, host, action, target, detail, result }).flatMap(([name, text]) => [
    name,
    text.slice(0, TEXT_MAX),
  ]);
  const capped = ['MAXLEN', '~', ENTRIES_KEPT, '*'] as const;
  const request = requestKey(`{${prefix}}`, requestToken());
  await writeOnce(client, request, ['XADD', auditKey(prefix), ...capped, ...fields, 'ok', ok ? '1' : '0']);
}

/**
 * The audit log, newest first; read-only. Texts come as they were written: make them printable
 * before showing them.
 * @param limit most entries to read.
 */
export async function readAudit(client: RedisClient, prefix: string, limit: number): Promise<AuditEntry[]> {
  const entries = await client.xrevrange(auditKey(prefix), '+', '-', 'COUNT', limit);
  return entries.map(([id, flat]) => {
    const fields = new Map<string, string>();
    for (let i = 0; i + 1 < flat.length; i += 2) fields.set(flat[i] as string, flat[i + 1] as string);
    const text = (name: string) => fields.get(name) ?? '';
    return {
      at: Number(id.split('-')[0]),
      who: text('who'),
      host: text('host'),
      action: text('action'),
      target: text('target'),
      detail: text('detail'),
      result: text('result'),
      ok: text('ok') === '1',
    };
  });
}
