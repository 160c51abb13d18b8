import { newId } from '../core/job.js';
import { THRESHOLDS } from '../core/thresholds.js';
import { formatDuration } from '../core/units.js';
import type { RedisClient } from '../redis/types.js';
import { ifReadable } from '../redis/wrong-type.js';
import { dataKey, installationTag, queueTag } from './keys.js';

/** Data that Redis lost. Times in ms since the epoch, by Redis's clock. */
export interface DataLoss {
  /**
   * Everything (FLUSHALL, a server that restarted empty), or only the latest writes (a failover, an old
   * file).
   */
  kind: 'all' | 'part';
  /** Writes after this moment are lost, or may be; 0 when everything is lost. */
  from: number;
  /** The last moment at which the data is known to have existed. */
  seenAt: number;
  /** When a process noticed the loss. */
  noticedAt: number;
  /** Set when the loss affects one queue only, which was on its own server in a Cluster. */
  queue?: string | undefined;
}

/** Whether a loss is still reported by `inspect` and `doctor`. @param now by Redis's clock */
export function isShown({ noticedAt }: Pick<DataLoss, 'noticedAt'>, now: number): boolean {
  return now - noticedAt < THRESHOLDS.lossShown.value;
}

/** Two processes that report a loss within this time, in ms, report the same one. */
const SAME_LOSS_MS = 60_000;

/**
 * KEYS 1 the mark. ARGV 1 to 3 what the caller has seen of it: id ('' for nothing yet), count, ms of its last
 * look; 4 an id for a new one. Creates the mark if it does not exist, counts the look, and records what was
 * lost compared with what the caller saw: another id means everything; a lower count, the writes since. When
 * many callers see the same loss, the first one records it, and another one updates it only if it saw the
 * data later. Output: id, count, ms of this look, then the losses as in `LOSS_FIELDS`.
 */
const LOOK = `
local call, key = redis.call, KEYS[1]
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known, count, seen = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
-- A key of another type under this name is no one's data: delete it.
if call('TYPE', key).ok ~= 'hash' then call('DEL', key) end
local mark = call('HMGET', key, 'id', 'n', 'seen', 'all', 'allSeen', 'part', 'partSeen')
local id, n, at = mark[1], tonumber(mark[2]) or 0, tonumber(mark[3]) or now
if not id then
  id = ARGV[4]
  call('HSET', key, 'id', id)
end
if known ~= '' and known ~= id then
  if not mark[4] then call('HSET', key, 'all', now, 'allSeen', seen)
  elseif (tonumber(mark[5]) or 0) < seen then call('HSET', key, 'allSeen', seen) end
elseif known ~= '' and n < count then
  n = count
  if not mark[6] or now - (tonumber(mark[6]) or 0) > ${SAME_LOSS_MS} then
    call('HSET', key, 'part', now, 'partSeen', seen, 'partFrom', at)
  elseif (tonumber(mark[7]) or 0) < seen then call('HSET', key, 'partSeen', seen) end
end
call('HSET', key, 'n', n + 1, 'seen', now)
local losses = call('HMGET', key, 'all', 'allSeen', 'part', 'partSeen', 'partFrom')
local out = {id, n + 1, now}
for i = 1, 5 do out[#out + 1] = losses[i] or '' end
return out
`;

const LOSS_FIELDS = ['all', 'allSeen', 'part', 'partSeen', 'partFrom'] as const;

function lossesOf(fields: readonly (string | null)[], queue: string | undefined): DataLoss[] {
  const [all, allSeen, part, partSeen, partFrom] = fields;
  const where = queue === undefined ? {} : { queue };
  return [
    ...(all
      ? [{ kind: 'all' as const, from: 0, seenAt: Number(allSeen), noticedAt: Number(all), ...where }]
      : []),
    ...(part
      ? [
          {
            kind: 'part' as const,
            from: Number(partFrom),
            seenAt: Number(partSeen),
            noticedAt: Number(part),
            ...where,
          },
        ]
      : []),
  ];
}

/**
 * Detects lost data: Redis holds a mark, created once, whose looks are counted. A long-lived process looks at
 * it regularly. Only such a process can tell an empty Redis from a new one, and a Redis that went back to an
 * older state (a replica that lagged, yesterday's file) from one that did not.
 */
export class DataMark {
  private known: { id: string; count: number; at: number } | undefined;
  /** When each kind of loss was noticed, for losses already reported. */
  private readonly told = new Map<DataLoss['kind'], number>();
  private looking: Promise<void> | undefined;

  /**
   * @param queue the queue of this mark; undefined: the installation's mark
   * @param onLoss called once for each loss that is recorded after the first look, by any process
   */
  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
    private readonly queue: string | undefined,
    private readonly onLoss: (loss: DataLoss) => void,
  ) {}

  /** Looks now; one look at a time. Fails like any command when Redis is unreachable. */
  look(): Promise<void> {
    this.looking ??= this.lookNow().finally(() => {
      this.looking = undefined;
    });
    return this.looking;
  }

  private async lookNow(): Promise<void> {
    const { id = '', count = 0, at = 0 } = this.known ?? {};
    const key = markKey(this.prefix, this.queue);
    const reply = (await this.client.eval(LOOK, 1, key, id, count, at, newId('j'))) as (string | number)[];
    const first = this.known === undefined;
    this.known = { id: String(reply[0]), count: Number(reply[1]), at: Number(reply[2]) };
    for (const loss of lossesOf(reply.slice(3).map(String), this.queue)) {
      if (this.told.get(loss.kind) === loss.noticedAt) continue;
      this.told.set(loss.kind, loss.noticedAt);
      if (!first) this.onLoss(loss);
    }
  }
}

function markKey(prefix: string, queue: string | undefined): string {
  return dataKey(queue === undefined ? installationTag(prefix) : queueTag(prefix, queue));
}

/**
 * The marks to read: the installation's and, on a Cluster, whose nodes fail independently, one for each
 * queue.
 */
export function markedQueues(client: RedisClient, queues: readonly string[]): (string | undefined)[] {
  return client.isCluster ? [undefined, ...queues] : [undefined];
}

/** The recorded losses, the latest first; read-only. */
export async function readLosses(
  client: RedisClient,
  prefix: string,
  queues: readonly string[],
): Promise<DataLoss[]> {
  const found = await Promise.all(
    markedQueues(client, queues).map(async (queue) =>
      lossesOf(await ifReadable(client.hmget(markKey(prefix, queue), ...LOSS_FIELDS), []), queue),
    ),
  );
  return found.flat().sort((a, b) => b.noticedAt - a.noticedAt);
}

/** The loss that destroyed what was written to a queue at a moment (ms since the epoch), if any. */
export function lossThatTook(
  losses: readonly DataLoss[],
  writtenAt: number,
  queue?: string | undefined,
): DataLoss | undefined {
  return losses.find(
    (loss) =>
      loss.from <= writtenAt &&
      writtenAt <= loss.noticedAt &&
      (loss.queue === undefined || queue === undefined || loss.queue === queue),
  );
}

/** What a loss means, as a clause. */
export function lossText(loss: DataLoss, now?: number): string {
  const ago = now === undefined ? '' : ` ${formatDuration(Math.max(0, now - loss.noticedAt))} ago,`;
  const of = loss.queue === undefined ? '' : ` of queue ${loss.queue}`;
  if (loss.kind === 'all') {
    return `Redis lost all data${of}${ago} between ${moment(loss.seenAt)} and ${moment(loss.noticedAt)}: jobs, groups and results from before are gone`;
  }
  return `Redis went back to an older state${of}${ago} at ${moment(loss.noticedAt)}: what it accepted after ${moment(loss.from)} may be lost`;
}

/** What to do about it. */
export function lossFix({ kind }: Pick<DataLoss, 'kind'>): string {
  return kind === 'all'
    ? 'submit that work again; if no one ran FLUSHALL, have Redis keep its data over a restart: infer doctor redis'
    : 'submit again what `infer result` does not know; infer redis-tune shows the settings that lose less';
}

/** `2026-11-28 08:12:03.250 UTC`. */
function moment(at: number): string {
  return new Date(at).toISOString().replace('T', ' ').replace('Z', ' UTC');
}
