import type { RedisClient } from '../redis/types.js';
import { requestToken, writeOnce } from './broker/once.js';
import { auditKey, jobAuditKey, requestKey } from './keys.js';

/** Approximate number of entries kept; the oldest are trimmed first, in whole nodes of the stream. */
const ENTRIES_KEPT = 10_000;
/** Characters kept of any one text. */
const TEXT_MAX = 500;

/** The interface an action came through. */
export type AuditChannel = 'cli' | 'library' | 'http';

/** `partial`: part of the request was carried out, and part was refused. */
export type AuditOutcome = 'ok' | 'partial' | 'failed';

/**
 * The stream an entry is written to. Cancelling and retrying jobs by id is logged in a separate stream,
 * because producers may do that too: they can then neither forge the operators' entries nor push them out.
 */
export type AuditLog = 'operators' | 'jobs';

/** Who did what to which part of the installation, and the outcome. */
export interface AuditEntry {
  /** Milliseconds since the epoch, by Redis's clock. */
  at: number;
  /** The name given with `--as` or INFER_OPERATOR, else the operating-system user. */
  who: string;
  /** Host that the action came from. */
  host: string;
  channel: AuditChannel;
  /** The command: `pause`, `set`, `purge`. */
  action: string;
  /** The target: a queue, a worker, job ids. */
  target: string;
  /** Further arguments, such as `concurrency 4`; never a payload. */
  detail: string;
  /** How many jobs, workers, queues or settings it changed; null in entries of older releases. */
  count: number | null;
  outcome: AuditOutcome;
  /** Error code of a failure. */
  code: string | null;
  /** The outcome in words; for a failure, the reason. */
  result: string;
  /** False for a failure. */
  ok: boolean;
}

/** An entry to be written: the time is Redis's, and `ok` follows from the outcome. */
export type NewAuditEntry = Omit<AuditEntry, 'at' | 'ok' | 'count'> & { count: number };

/** Appends to an audit log of the installation, a stream trimmed to about 10,000 entries. */
export async function writeAudit(
  client: RedisClient,
  prefix: string,
  entry: NewAuditEntry,
  log: AuditLog = 'operators',
): Promise<void> {
  const { who, host, channel, action, target, detail, count, outcome, code, result } = entry;
  const texts = { who, host, channel, action, target, detail, result, outcome, code: code ?? '' };
  const fields = Object.entries(texts).flatMap(([name, text]) => [name, text.slice(0, TEXT_MAX)]);
  const ok = outcome === 'failed' ? '0' : '1';
  const request = requestKey(`{${prefix}}`, requestToken());
  const key = log === 'jobs' ? jobAuditKey(prefix) : auditKey(prefix);
  const capped = ['MAXLEN', '~', ENTRIES_KEPT, '*'] as const;
  await writeOnce(client, request, ['XADD', key, ...capped, ...fields, 'count', count, 'ok', ok]);
}

/**
 * The audit log, newest first; read-only. Texts are returned as they were written: make them printable before
 * showing them.
 * @param limit maximum number of entries to read.
 */
export async function readAudit(client: RedisClient, prefix: string, limit: number): Promise<AuditEntry[]> {
  const read = async (key: string): Promise<AuditEntry[]> =>
    (await client.xrevrange(key, '+', '-', 'COUNT', limit)).map(([id, flat]) => auditEntryOf(id, flat));
  const [operators, jobs] = await Promise.all([read(auditKey(prefix)), read(jobAuditKey(prefix))]);
  return jobs.length === 0 ? operators : [...operators, ...jobs].sort((a, b) => b.at - a.at).slice(0, limit);
}

/** An entry of either audit log as it is in its stream. */
export function auditEntryOf(id: string, flat: readonly string[]): AuditEntry {
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) fields.set(flat[i] as string, flat[i + 1] as string);
  const text = (name: string) => fields.get(name) ?? '';
  const ok = text('ok') === '1';
  const count = Number(fields.get('count') ?? Number.NaN);
  return {
    at: Number(id.split('-')[0]),
    who: text('who'),
    host: text('host'),
    // Entries written before this field existed all came from the command line.
    channel: (fields.get('channel') ?? 'cli') as AuditChannel,
    action: text('action'),
    target: text('target'),
    detail: text('detail'),
    count: Number.isFinite(count) ? count : null,
    outcome: (fields.get('outcome') ?? (ok ? 'ok' : 'failed')) as AuditOutcome,
    code: text('code') === '' ? null : text('code'),
    result: text('result'),
    ok,
  };
}
