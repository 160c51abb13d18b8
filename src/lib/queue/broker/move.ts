import { newId } from '../../core/job.js';
import { serverNow } from '../../redis/server-clock.js';
import type { RedisClient } from '../../redis/types.js';
import { ifReadable } from '../../redis/wrong-type.js';
import { findDamage, groupDamaged, namingDamage } from '../damage.js';
import { arrivingKey, bullBase, groupKey, inputKey, queuesKey, queueTag } from '../keys.js';
import { LAYOUTS, newerThan, splitRoute } from '../layout.js';
import { QueueScripts } from '../lua/script-client.js';
import type { ChunkOf, JobSpec } from '../types.js';
import { DATA, DELAYED_UNIT, GROUP, groupRef, JOB } from '../wire.js';

export type MoveOutcome =
  | 'moved'
  | 'same queue'
  /** It runs or has ended. */
  | 'not waiting'
  | 'unknown'
  /** This release cannot read it. */
  | 'newer'
  /** The target queue has a job of this id. */
  | 'id taken'
  /** Another move of it to the same queue is in progress. */
  | 'being moved'
  /** More chunks of its group are still being submitted, and the group may yet be cancelled. */
  | 'group open'
  /** A chunk's group cannot count it from another server of a Cluster. */
  | 'chunk in a Cluster';

/** A copy at the target that cannot be taken yet. */
export interface Parked {
  id: string;
  source: string;
  attempt: string;
  fingerprint: string;
  group: ChunkOf | undefined;
}

/** A copy whose mover has been silent for this long, in ms, is settled by others. */
const ABANDONED_MS = 10_000;
const TRIES = 5;
/** Copies handled per batch. */
const SETTLED_AT_ONCE = 100;

/** Moves waiting jobs to another queue: lua/move.ts explains the steps. */
export class Mover {
  private readonly to: QueueScripts;
  private registered = false;

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
    readonly target: string,
  ) {
    this.to = new QueueScripts(client, prefix, target);
  }

  /**
   * One job, with its input, priority, deadline, attempts and waiting clients.
   * @param onMoved called at the commit: from then on the job belongs to the target, also if this fails
   * @throws InferError QUEUE_DAMAGED (69) for either queue, GROUP_DAMAGED (69) for the group of a chunk.
   */
  async move(id: string, source: string, onMoved?: () => void): Promise<MoveOutcome> {
    if (source === this.target) return this.finish(id, onMoved);
    for (let attempt = 1; ; attempt++) {
      const parked = await this.park(id, source);
      if (typeof parked === 'string') return parked;
      const out = await this.takeOut(parked);
      if (out === 'done') {
        onMoved?.();
        await this.bringIn(parked);
        return 'moved';
      }
      await this.to.run('inferMoveDrop', id, `${source} ${parked.attempt}`);
      // It changed meanwhile (its priority, for example): copy it again.
      if (out !== 'changed' || attempt === TRIES) return 'not waiting';
    }
  }

  /** A job that is in the target already, or whose move there was cut short. */
  private async finish(id: string, onMoved?: () => void): Promise<MoveOutcome> {
    const [source = ''] = await moveOf(this.client, this.prefix, this.target, id);
    if (source === '') return 'same queue';
    const arrived = await settleArrival(this.client, this.prefix, this.target, id);
    return arrived ? 'same queue' : this.move(id, source, onMoved);
  }

  /** Copies a job to a place from which it cannot be taken yet. */
  async park(id: string, source: string): Promise<Parked | Exclude<MoveOutcome, 'moved'>> {
    const base = bullBase(this.prefix, source);
    const reading = Promise.all([
      ifReadable(this.client.hgetall(base + id), {} as Record<string, string>),
      ifReadable(this.client.getBuffer(inputKey(queueTag(this.prefix, source), id)), null),
      this.client.zscore(`${base}prioritized`, id),
      this.client.zscore(`${base}delayed`, id),
      ifReadable(this.client.lpos(`${base}wait`, id), null),
    ]);
    const [fields, input, prioritized, delayed, wait] = await this.named(source, reading);
    if (fields.data === undefined) return 'unknown';
    if (newerThan(LAYOUTS, splitRoute(fields.name?.replace(/#\d+$/, '') ?? '').mark)) return 'newer';
    if (prioritized === null && delayed === null && wait === null) return 'not waiting';
    const { data, group } = rehomed(fields.data, source, this.target);
    if (group !== undefined && this.client.isCluster) return 'chunk in a Cluster';
    if (group !== undefined && !(await this.isClosed(group, source))) return 'group open';
    if (!this.registered) await this.client.hsetnx(queuesKey(this.prefix), this.target, '{}');
    this.registered = true;
    const attempt = newId('j');
    // Its waiting clients are notified by the queue they wait on, and then listen on the new one.
    const { [JOB.lists]: _lists, [JOB.movesGiven]: _given, ...kept } = fields;
    const copy = {
      ...kept,
      data,
      ...(delayed === null ? {} : { [JOB.moveAt]: String(Math.floor(Number(delayed) / DELAYED_UNIT)) }),
    };
    const flat = Object.entries(copy).flat();
    const put = () => this.to.run('inferMovePark', id, `${source} ${attempt}`, input ?? '', ...flat);
    let reply = await put();
    if (reply === 2) {
      // Its mover died or is slow: it can no longer commit, or already has.
      if (await settleArrival(this.client, this.prefix, this.target, id)) return 'same queue';
      reply = await put();
    }
    if (reply !== 1) return reply === 2 ? 'being moved' : 'id taken';
    const fingerprint = [JOB.attemptsStarted, JOB.attemptsMade, 'priority']
      .map((name) => fields[name] ?? '0')
      .concat(fields[JOB.cancel] ?? '')
      .join(' ');
    return { id, source, attempt, fingerprint, group };
  }

  private async isClosed({ id, home }: ChunkOf, source: string): Promise<boolean> {
    const key = groupKey(queueTag(this.prefix, home ?? source), id);
    const closed = await ifReadable(this.client.hget(key, GROUP.closed), undefined);
    if (closed === undefined)
      throw groupDamaged(id, await findDamage(this.client, key, 'its record', 'hash'));
    return closed === '1';
  }

  private named<T>(queue: string, reading: Promise<T>): Promise<T> {
    return namingDamage(this.client, this.prefix, queue, reading);
  }

  /** The commit: removes it from its queue if it still waits there unchanged since it was copied. */
  async takeOut({
    id,
    source,
    attempt,
    fingerprint,
    group,
  }: Parked): Promise<'done' | 'changed' | 'not waiting'> {
    const from = new QueueScripts(this.client, this.prefix, source);
    const args = [id, attempt, this.target, fingerprint, groupRef(group), group?.index ?? 0];
    const reply = await from.run('inferMoveOut', ...args);
    return reply === 1 ? 'done' : reply === 2 ? 'changed' : 'not waiting';
  }

  /** Makes the copy wait like any other job. */
  async bringIn({ id, source, attempt }: Pick<Parked, 'id' | 'source' | 'attempt'>): Promise<void> {
    await this.to.run('inferMoveIn', id, `${source} ${attempt}`);
    await new QueueScripts(this.client, this.prefix, source).run('inferMoveForget', id, attempt, this.target);
  }
}

/**
 * Settles all unfinished moves to a queue: completes those that had committed and drops the others, since
 * their jobs still wait in the source queue. Called by the queue's workers; returns how many there were.
 */
export async function settleArrivals(
  client: RedisClient,
  prefix: string,
  queue: string,
  options: { abandonedMs?: number; stopped?: () => boolean } = {},
): Promise<number> {
  const { abandonedMs = ABANDONED_MS, stopped = () => false } = options;
  const until = String((await serverNow(client)) - abandonedMs);
  const key = arrivingKey(queueTag(prefix, queue));
  for (let settled = 0; ; ) {
    const ids = await ifReadable(client.zrangebyscore(key, '-inf', until, 'LIMIT', 0, SETTLED_AT_ONCE), []);
    for (const id of ids) await settleArrival(client, prefix, queue, id);
    settled += ids.length;
    if (ids.length < SETTLED_AT_ONCE || stopped()) return settled;
  }
}

/** The source queue and the attempt of a copy; empty for a job that has arrived. */
async function moveOf(client: RedisClient, prefix: string, queue: string, id: string): Promise<string[]> {
  const moved = await ifReadable(client.hget(bullBase(prefix, queue) + id, JOB.move), null);
  return (moved ?? '').split(' ');
}

/** Returns whether the move had committed, so that the job is here now. */
async function settleArrival(
  client: RedisClient,
  prefix: string,
  queue: string,
  id: string,
): Promise<boolean> {
  const [source, attempt] = await moveOf(client, prefix, queue, id);
  if (source === undefined || source === '' || attempt === undefined) {
    await client.zrem(arrivingKey(queueTag(prefix, queue)), id);
    return false;
  }
  const from = new QueueScripts(client, prefix, source);
  const committed = (await from.run('inferMoveFence', id, attempt, queue)) === 1;
  if (committed) await new Mover(client, prefix, queue).bringIn({ id, source, attempt });
  else await new QueueScripts(client, prefix, queue).run('inferMoveDrop', id, `${source} ${attempt}`);
  return committed;
}

/**
 * Job data for the target: without a reply list of the source queue, and with a chunk's group queue filled
 * in.
 */
function rehomed(json: string, source: string, target: string): { data: string; group: ChunkOf | undefined } {
  let data: { [DATA.spec]?: Partial<JobSpec> };
  try {
    data = JSON.parse(json) as { [DATA.spec]?: Partial<JobSpec> };
  } catch {
    return { data: json, group: undefined };
  }
  const whole = data?.[DATA.spec];
  if (typeof whole !== 'object' || whole === null) return { data: json, group: undefined };
  const { reply: _reply, group, ...spec } = whole;
  if (group === undefined) return { data: JSON.stringify({ ...data, [DATA.spec]: spec }), group };
  const { home = source, ...chunk } = group;
  const moved = home === target ? chunk : { ...chunk, home };
  return { data: JSON.stringify({ ...data, [DATA.spec]: { ...spec, group: moved } }), group };
}
