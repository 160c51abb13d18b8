import type { Queue } from 'bullmq';
import type { Clock } from '../../core/clock.js';
import { InferError } from '../../core/errors.js';
import { toBullPriority } from '../../core/job.js';
import { traceTime } from '../../core/job-trace.js';
import { BulkWrites, SHARED_BYTES } from '../../redis/bulk-writes.js';
import { SizeRefused } from '../../redis/size-limits.js';
import type { RedisClient } from '../../redis/types.js';
import { worded } from '../../redis/worded.js';
import { namingDamage } from '../damage.js';
import { INLINE_INPUT_BYTES, jobName, toJobData } from '../job-data.js';
import { inputKey } from '../keys.js';
import { type DataLayout, LAYOUTS, markOf, newestOf } from '../layout.js';
import { QueueScripts } from '../lua/script-client.js';
import { registerQueues } from '../registry.js';
import { reroute } from '../routes.js';
import type { GroupRecord, JobSpec, NewJob, OwnedGroup, SubmittedJob } from '../types.js';
import { Admission } from './admission.js';
import { Arrivals } from './arrivals.js';
import { noteUse, onLoss } from './data-watch.js';
import { expireDue } from './deadlines.js';
import { GroupLife } from './group-life.js';
import { openQueue } from './open-queue.js';
import { untilLoaded } from './resend.js';
import { type CancelledChunks, JobSteering, type Paging, type Requeued } from './steer-jobs.js';
import { inputTooLarge, resultTooLarge } from './too-large.js';

/** Seconds an input outlives a submitter that dies between storing it and adding its job. */
const ORPHAN_INPUT_TTL = 86_400;
/** Approximate bytes that Redis uses for a job in addition to its input. */
const JOB_BYTES = 1024;
/** Jobs added by one script: about 3 ms of Redis's time. */
const SCRIPT_JOBS = 64;

/** How long a queue's name counts as known to Redis. */
const REGISTER_EVERY_MS = 10_000;

/** The submitting side: adds jobs in BullMQ's layout; our own keys store what is too large for the job data. */
export class Producer {
  private readonly queues = new Map<string, Promise<Queue>>();
  private readonly scripts = new Map<string, QueueScripts>();
  /** When each queue was last registered. */
  private readonly registered = new Map<string, number>();
  private readonly admission: Admission;
  private readonly arrivals: Arrivals;
  private readonly bulk: BulkWrites;
  private readonly steering: JobSteering;
  /** Its client may live for months, and outlive it. */
  private readonly stopWatching: () => void;

  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
    private readonly clock: Clock,
    private readonly layouts: readonly DataLayout[] = LAYOUTS,
  ) {
    this.admission = new Admission(client, clock);
    this.bulk = new BulkWrites(client);
    this.arrivals = new Arrivals(client, prefix, clock);
    this.steering = new JobSteering(client, prefix, (queue) => this.scriptsOf(queue), this.arrivals);
    this.stopWatching = onLoss(client, () => void this.registerAgain().catch(() => undefined));
  }

  /**
   * Adds jobs of one queue in one round trip, or two when an input is too large for the job data. `checkIds`
   * first checks whether an id already exists: set it for ids chosen by a caller, which may be duplicates.
   * @throws InferError REDIS_FULL (75) above the high-water mark, INPUT_TOO_LARGE or RESULT_TOO_LARGE (65)
   *   for what Redis will never accept: nothing was added.
   */
  submit(queue: string, jobs: NewJob[], checkIds: boolean): Promise<SubmittedJob[]> {
    // Safe to repeat: a job whose id exists is not added again.
    const added = untilLoaded(() => this.add(queue, jobs, checkIds));
    return worded(this.client, namingDamage(this.client, this.prefix, queue, added));
  }

  private async add(queue: string, jobs: NewJob[], checkIds: boolean): Promise<SubmittedJob[]> {
    await this.checkSizes(jobs);
    await this.admission.check(jobs.reduce((sum, job) => sum + job.input.byteLength + JOB_BYTES, 0));
    const scripts = this.scriptsOf(queue);
    const known = checkIds
      ? await Promise.all(jobs.map((job) => this.client.exists(scripts.base + job.spec.id)))
      : jobs.map(() => 0);
    const fresh = jobs.filter((_, i) => known[i] === 0);
    const now = this.clock.now();
    // Before the job is added, since STORE_INPUT skips the input of an existing job: sent concurrently, it
    // could arrive second, over a connection of its own, or after a Redis that had forgotten this script but
    // not BullMQ's.
    const large = fresh.filter((job) => !ridesAlong(job));
    await Promise.all(large.map((job) => this.store(scripts, 'inferStoreInput', job, ORPHAN_INPUT_TTL)));
    const adds = fresh.map((job) => {
      const spec = this.marked(job.spec);
      return addFields(spec, JSON.stringify(toJobData(spec, ridesAlong(job) ? job.input : undefined)), now);
    });
    for (const { trace } of fresh) if (trace !== undefined) trace.sent = traceTime();
    const adding = Promise.all(inScripts(adds).map((some) => scripts.run('inferAdd', ...some.flat())));
    // Sent together with the jobs.
    const stored = large.map((job) => this.client.exists(inputKey(scripts.tag, job.spec.id)));
    await Promise.all([adding, ...stored]);
    for (const { trace } of fresh) if (trace !== undefined) trace.added = traceTime();
    for (const [i, job] of large.entries()) {
      // It has ended already, or Redis lost its data in the meantime.
      if ((await stored[i]) === 0) await this.store(scripts, 'inferRestoreInput', job);
    }
    this.arrivals.add(
      queue,
      fresh.length,
      fresh.map(({ spec }) => spec.priority),
    );
    return jobs.map((job, i) => ({ id: job.spec.id, duplicate: known[i] === 1 }));
  }

  /** Marks a job with the layout that this process writes. */
  private marked(spec: JobSpec): JobSpec {
    const layout = markOf(newestOf(this.layouts));
    return layout === undefined ? spec : { ...spec, layout };
  }

  private async store(
    scripts: QueueScripts,
    script: 'inferStoreInput' | 'inferRestoreInput',
    { spec, input }: NewJob,
    ...ttl: number[]
  ): Promise<void> {
    try {
      await this.bulk.run(input.byteLength, (client) => {
        const on =
          client === this.client ? scripts : new QueueScripts(client, this.prefix, spec.queue, this.layouts);
        return on.run(script, spec.id, asBuffer(input), ...ttl);
      });
    } catch (error) {
      throw error instanceof SizeRefused ? inputTooLarge(error) : error;
    }
  }

  /** Refuses up front what Redis will never accept: the largest input, and the largest result if known. */
  private async checkSizes(jobs: readonly NewJob[]): Promise<void> {
    const refuse = async (bytes: number, worded: (refused: SizeRefused) => InferError): Promise<void> => {
      try {
        await this.bulk.check(bytes);
      } catch (error) {
        throw error instanceof SizeRefused ? worded(error) : error;
      }
    };
    await refuse(Math.max(0, ...jobs.map(({ input }) => input.byteLength)), inputTooLarge);
    await refuse(
      Math.max(0, ...jobs.map(({ spec, resultBytes = 0 }) => (spec.resultTtl === 0 ? 0 : resultBytes))),
      (refused) => InferError.of(resultTooLarge(refused)),
    );
  }

  /** Expires jobs of a queue that are past their deadline, `id` before all others. */
  async expireDue(queue: string, id?: string): Promise<void> {
    await expireDue(this.scriptsOf(queue), id);
  }

  /**
   * Registers the queue for `inspect` and lookups by id: with the first job, and again every ten seconds,
   * since the names disappear when Redis loses its data, and a client may live for months.
   */
  async registerQueue(queue: string): Promise<void> {
    noteUse(this.client, queue);
    const now = this.clock.now();
    const ago = now - (this.registered.get(queue) ?? Number.NEGATIVE_INFINITY);
    if (ago >= 0 && ago < REGISTER_EVERY_MS) return;
    await registerQueues(this.client, this.prefix, [queue]);
    this.registered.set(queue, now);
  }

  /** Registers all of its queues again, since Redis lost them. */
  private async registerAgain(): Promise<void> {
    const queues = [...this.registered.keys()];
    this.registered.clear();
    await Promise.all(queues.map((queue) => this.registerQueue(queue)));
  }

  /** The life cycle of groups; their chunks are ordinary jobs. */
  get groups(): GroupLife {
    return new GroupLife(this.client, this.prefix, (queue) => this.scriptsOf(queue), this.layouts);
  }

  /**
   * Cancels a job; `active` means that its worker was asked and has not answered yet. @throws InferError
   * LAYOUT_NEWER.
   * @param group of which it must be a chunk
   */
  cancel(queue: string, id: string, group?: OwnedGroup): Promise<string | undefined> {
    return this.steering.cancel(queue, id, group);
  }

  /** The same for many jobs; leaves those of a newer layout alone. Returns how many by resulting state. */
  cancelAll(
    jobs: Iterable<{ queue: string; id: string }>,
    paging: Paging = {},
  ): Promise<Record<string, number>> {
    return this.steering.cancelAll(jobs, paging);
  }

  /** Cancels the chunks of a group that have not ended; leaves those of a newer layout alone. */
  cancelGroup(group: GroupRecord, paging: Paging = {}): Promise<CancelledChunks> {
    return this.steering.cancelGroup(group, this.groups, paging);
  }

  /**
   * Requeues failed jobs at their own priority; returns how many. Damaged jobs are repaired first, where
   * possible.
   * @param timeLimitMs their new time limit [unchanged]
   * @throws InferError TIME_LIMIT_RANGE (exit 2); JOB_DAMAGED (exit 1) for a single job that cannot be
   *   repaired, LAYOUT_NEWER for one of a newer layout.
   */
  retry(queue: string, ids: readonly string[], timeLimitMs?: number): Promise<number> {
    return this.steering.retry(queue, ids, timeLimitMs);
  }

  /**
   * The same for many jobs; skips those that cannot be repaired, and returns the ids of those of a newer
   * layout.
   */
  retryAll(
    queue: string,
    ids: readonly string[],
    timeLimitMs?: number,
  ): Promise<{ retried: number; newer: string[] }> {
    return this.steering.retryAll(queue, ids, timeLimitMs);
  }

  /** Requeues the failed chunks of a group; leaves those of a newer layout alone. */
  retryGroup(group: GroupRecord, timeLimitMs?: number, paging: Paging = {}): Promise<Requeued> {
    return this.steering.retryGroup(group, timeLimitMs, paging);
  }

  /** Requeues every job now in the failed set, oldest failure first. */
  retryFailed(queue: string, timeLimitMs?: number, paging: Paging = {}): Promise<Requeued> {
    return this.steering.retryFailed(queue, timeLimitMs, paging);
  }

  /** Pauses or resumes a queue: running jobs finish, nothing new starts. */
  async setPaused(queue: string, paused: boolean): Promise<void> {
    const bull = await this.queueOf(queue);
    if (paused) await bull.pause();
    else {
      await bull.resume();
      // BullMQ's marker wakes one worker, which may serve none of the waiting models.
      await reroute(this.scriptsOf(queue));
    }
  }

  /** @param patienceMs how long requests in progress may take [1000] */
  async close(patienceMs?: number): Promise<void> {
    this.stopWatching();
    await Promise.all([this.arrivals.close(patienceMs), this.bulk.close()]);
    const close = async (queue: Promise<Queue>) => (await queue).close();
    await Promise.all([...this.queues.values()].map((queue) => close(queue).catch(() => undefined)));
  }

  private scriptsOf(queue: string): QueueScripts {
    let scripts = this.scripts.get(queue);
    if (scripts === undefined) {
      scripts = new QueueScripts(this.client, this.prefix, queue, this.layouts);
      this.scripts.set(queue, scripts);
    }
    return scripts;
  }

  private queueOf(name: string): Promise<Queue> {
    let queue = this.queues.get(name);
    if (queue === undefined) {
      queue = openQueue(this.client, this.scriptsOf(name).tag, name);
      this.queues.set(name, queue);
      queue.catch(() => this.queues.delete(name));
    }
    return queue;
  }
}

/** Whether an input is stored in the job's data; a larger one gets its own key. */
function ridesAlong({ input }: NewJob): boolean {
  return input.byteLength <= INLINE_INPUT_BYTES;
}

/** What the add script is told of a job; see `ADD_FIELDS`. */
type AddFields = [
  id: string,
  name: string,
  data: string,
  opts: string,
  timestamp: number,
  delay: number,
  priority: number,
];

/**
 * Times are by Redis's clock. A job that may not start yet goes to BullMQ's delayed set, from which the take script
 * moves due jobs to their place by priority.
 */
function addFields(spec: JobSpec, data: string, now: number): AddFields {
  const { id, notBefore } = spec;
  const priority = toBullPriority(spec.priority);
  const delay = notBefore === undefined || notBefore <= now ? 0 : notBefore - now;
  // As BullMQ stores them, for its own workers.
  const opts = { jobId: id, priority, timestamp: now, ...(delay === 0 ? {} : { delay }), attempts: 0 };
  return [id, jobName(spec), data, JSON.stringify(opts), now, delay, priority];
}

/** Jobs of each script: bounded in number and bytes, since other users of this Redis wait for it. */
function inScripts(jobs: readonly AddFields[]): AddFields[][] {
  const scripts: AddFields[][] = [];
  let last: AddFields[] = [];
  let bytes = 0;
  for (const job of jobs) {
    const more = job[2].length + JOB_BYTES;
    if (last.length > 0 && (last.length === SCRIPT_JOBS || bytes + more > SHARED_BYTES)) {
      scripts.push(last);
      last = [];
      bytes = 0;
    }
    last.push(job);
    bytes += more;
  }
  if (last.length > 0) scripts.push(last);
  return scripts;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
