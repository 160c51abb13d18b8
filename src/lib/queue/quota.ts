import { serverTime } from '../redis/server-clock.js';
import type { RedisClient } from '../redis/types.js';
import { ifReadable } from '../redis/wrong-type.js';
import { untilLoaded } from './broker/resend.js';
import { bullBase, groupKey, queueTag, quotaKey } from './keys.js';
import { GROUP, JOB } from './wire.js';

/** A limit that an owner (a token, or a token and a model) has at all gateways together. */
export type Quota =
  | { readonly kind: 'rate'; readonly owner: string; readonly perSecond: number; readonly burst: number }
  | { readonly kind: 'jobs' | 'waiting'; readonly owner: string; readonly most: number };

/** State of a limit after a request: what remains of it and, for a rate, ms until more is available. */
export interface QuotaState {
  readonly left: number;
  readonly resetMs: number;
}

export interface QuotaAnswer {
  /** Index of the limit that refuses; undefined: the request was admitted, and counts. */
  readonly refusedBy: number | undefined;
  readonly states: readonly QuotaState[];
}

/** Work that counts towards limits until it has ended. */
export interface CountedWork {
  readonly id: string;
  readonly queue: string;
  readonly kind: 'job' | 'group';
}

/** A gateway that lets work in and dies before it says what it submitted has its place freed after so long. */
export const TICKET_MS = 60_000;
/** Counted work is looked at again after so long, and only by who finds the bound reached. */
const LOOK_AGAIN_MS = 1000;
/** Maximum members read by one check. */
const LOOK_MOST = 128;
/** Counts of an owner that submits nothing for this long are deleted. */
const FORGET_MS = 7 * 86_400_000;
const BUCKET_SLACK_MS = 1000;

/**
 * KEYS: one for each limit. ARGV: ticket, its lifetime in ms, that of a set in ms, then for each limit
 * `rate`, requests per second, burst; or `set`, maximum, ''. Returns the number of the limit that refuses (0:
 * none), then for each limit what remains and ms until more is available. A refused request does not count.
 */
const ADMIT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local refused = 0
local left, reset = {}, {}
for i, key in ipairs(KEYS) do
  local kind, a, b = ARGV[3 * i + 1], tonumber(ARGV[3 * i + 2]), tonumber(ARGV[3 * i + 3])
  if kind == 'rate' then
    local held = redis.call('HMGET', key, 't', 'at')
    local tokens, at = tonumber(held[1]) or b, tonumber(held[2]) or now
    tokens = math.min(b, math.max(0, tokens) + math.max(0, now - at) * a / 1000)
    left[i] = tokens
    if tokens < 1 then
      if refused == 0 then refused = i end
      reset[i] = math.ceil((1 - tokens) * 1000 / a)
    else
      reset[i] = math.ceil((b - tokens + 1) * 1000 / a)
    end
  else
    left[i] = a - redis.call('ZCARD', key)
    reset[i] = 0
    if left[i] < 1 and refused == 0 then refused = i end
  end
end
if refused == 0 then
  for i, key in ipairs(KEYS) do
    left[i] = left[i] - 1
    if ARGV[3 * i + 1] == 'rate' then
      redis.call('HSET', key, 't', string.format('%.6f', left[i]), 'at', now)
      redis.call('PEXPIRE', key, reset[i] + ${BUCKET_SLACK_MS})
    else
      redis.call('ZADD', key, now + ARGV[2], ARGV[1])
      redis.call('PEXPIRE', key, ARGV[3])
    end
  end
end
local answer = {refused}
for i = 1, #KEYS do
  answer[#answer + 1] = math.floor(math.max(0, left[i]))
  answer[#answer + 1] = reset[i]
end
return answer
`;

/**
 * Limits in Redis, which all gateways share. Sets contain the names of the counted jobs, and the jobs
 * themselves say whether they still count, so no count is left behind by a process that dies. The jobs are
 * read only when a limit is reached.
 */
export class Quotas {
  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
  ) {
    client.defineCommand('inferAdmit', { lua: ADMIT });
  }

  /**
   * Reserves one place in each limit, in all of them or in none.
   * @param ticket name of the place until `named` reports what was submitted
   */
  async take(quotas: readonly Quota[], ticket: string): Promise<QuotaAnswer> {
    const first = await this.ask(quotas, ticket);
    const full = first.refusedBy === undefined ? undefined : quotas[first.refusedBy];
    if (full === undefined || full.kind === 'rate') return first;
    if (!(await this.forgetEnded(quotas))) return first;
    return this.ask(quotas, ticket);
  }

  /** Reports what was submitted with a ticket. */
  async named(quotas: readonly Quota[], ticket: string, work: CountedWork): Promise<void> {
    const batch = this.client.pipeline();
    for (const key of this.setsOf(quotas)) batch.zrem(key, ticket).zadd(key, serverTime(), memberOf(work));
    await batch.exec();
  }

  /** Gives a ticket its whole life again, if its place was not freed. */
  async keep(quotas: readonly Quota[], ticket: string): Promise<void> {
    const batch = this.client.pipeline();
    for (const key of this.setsOf(quotas)) batch.zadd(key, 'XX', serverTime() + TICKET_MS, ticket);
    await batch.exec();
  }

  /** Frees the places of a ticket, or of work that has ended. */
  async free(quotas: readonly Quota[], held: string | CountedWork): Promise<void> {
    const member = typeof held === 'string' ? held : memberOf(held);
    const batch = this.client.pipeline();
    for (const key of this.setsOf(quotas)) batch.zrem(key, member);
    await batch.exec();
  }

  private async ask(quotas: readonly Quota[], ticket: string): Promise<QuotaAnswer> {
    const keys = quotas.map((quota) => quotaKey(this.prefix, quota.kind, quota.owner));
    const bounds = quotas.flatMap((quota) =>
      quota.kind === 'rate' ? ['rate', quota.perSecond, quota.burst] : ['set', quota.most, ''],
    );
    const run = this.client as unknown as {
      inferAdmit(count: number, ...args: (string | number)[]): Promise<number[]>;
    };
    const [refused = 0, ...figures] = await untilLoaded(() =>
      run.inferAdmit(keys.length, ...keys, ticket, TICKET_MS, FORGET_MS, ...bounds),
    );
    return {
      refusedBy: refused === 0 ? undefined : refused - 1,
      states: quotas.map((_, i) => ({ left: figures[2 * i] ?? 0, resetMs: figures[2 * i + 1] ?? 0 })),
    };
  }

  /**
   * Removes members that have ended or started, among those due for a check. Returns whether there were any.
   */
  private async forgetEnded(quotas: readonly Quota[]): Promise<boolean> {
    const now = serverTime();
    let freed = 0;
    for (const quota of quotas) {
      if (quota.kind === 'rate') continue;
      const key = quotaKey(this.prefix, quota.kind, quota.owner);
      const due = await this.client.zrangebyscore(key, '-inf', now, 'LIMIT', 0, LOOK_MOST);
      if (due.length === 0) continue;
      const counts = await Promise.all(due.map((member) => this.counts(member, quota.kind === 'waiting')));
      const batch = this.client.pipeline();
      for (const [i, member] of due.entries()) {
        if (counts[i]) batch.zadd(key, 'XX', now + LOOK_AGAIN_MS, member);
        else batch.zrem(key, member);
      }
      await batch.exec();
      freed += counts.filter((one) => !one).length;
    }
    return freed > 0;
  }

  /** Whether a member still counts; a ticket that is due has expired. */
  private async counts(member: string, waiting: boolean): Promise<boolean> {
    const work = workOf(member);
    if (work === undefined) return false;
    const { id, queue, kind } = work;
    if (kind === 'group') return this.groupCounts(queue, id, waiting);
    const base = bullBase(this.prefix, queue);
    if (!waiting) {
      const [added, state, ended] = await ifReadable(
        this.client.hmget(base + id, 'timestamp', JOB.state, 'finishedOn'),
        [null, null, null],
      );
      return added != null && state == null && ended == null;
    }
    const places = await Promise.all(
      ['prioritized', 'delayed'].map((list) => ifReadable(this.client.zscore(base + list, id), null)),
    );
    return places.some((place) => place !== null);
  }

  private async groupCounts(queue: string, id: string, waiting: boolean): Promise<boolean> {
    const names = [GROUP.model, GROUP.finishedOn, GROUP.closed, GROUP.jobs, GROUP.completed, GROUP.failed];
    const key = groupKey(queueTag(this.prefix, queue), id);
    const fields = await ifReadable(this.client.hmget(key, ...names), []);
    const [model, finishedOn, closed, jobs, completed, failed] = fields;
    const ended = Number(completed ?? 0) + Number(failed ?? 0);
    if (model == null || finishedOn != null) return false;
    if (closed === '1' && ended >= Number(jobs ?? 0)) return false;
    return !waiting || ended === 0;
  }

  private setsOf(quotas: readonly Quota[]): string[] {
    return quotas.flatMap((quota) =>
      quota.kind === 'rate' ? [] : [quotaKey(this.prefix, quota.kind, quota.owner)],
    );
  }
}

/** Queue names and ids contain no space; neither do tickets. */
function memberOf({ id, queue, kind }: CountedWork): string {
  return `${kind} ${queue} ${id}`;
}

function workOf(member: string): CountedWork | undefined {
  const [kind, queue, id] = member.split(' ');
  if ((kind !== 'job' && kind !== 'group') || queue === undefined || id === undefined) return undefined;
  return { kind, queue, id };
}
