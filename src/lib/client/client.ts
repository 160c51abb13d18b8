import { loadSettings } from '../config/load.js';
import { systemClock } from '../core/clock.js';
import { checkQueueName, newId } from '../core/job.js';
import type { Chunk } from '../input/chunk-builder.js';
import { encodeEnvelope } from '../model/envelope.js';
import { packageRoot } from '../model/package-root.js';
import type { ValueForm } from '../model/rows.js';
import type { ModelSignature } from '../model/signature.js';
import type { Payload } from '../model/tensor.js';
import type { GroupRecord, JobRecord } from '../queue/broker.js';
import { Producer } from '../queue/producer.js';
import { readGroup, readJob } from '../queue/reader.js';
import { listWorkers } from '../queue/registry.js';
import { type Heard, Waiter } from '../queue/waiter.js';
import { watchEnd } from '../queue/watch.js';
import { connectLike } from '../redis/connect.js';
import { connectionSettings, resultSettings } from '../redis/from-settings.js';
import type { RedisClient, RedisTarget } from '../redis/types.js';
import { worded } from '../redis/worded.js';
import { type ClientConfig, type Connections, openConnections } from './connections.js';
import { groupChunks } from './group-reader.js';
import { GroupWriter } from './group-writer.js';
import { refuseTaken } from './id-taken.js';
import { Places } from './places.js';
import { toJobResult } from './render.js';
import { Signatures } from './signatures.js';
import { queueFor, specOf } from './spec.js';
import { submitRows } from './submit-rows.js';
import type {
  ConnectOptions,
  GroupChunk,
  JobResult,
  RetryOptions,
  SubmitOptions,
  SubmittedGroup,
  SubmittedJob,
} from './types.js';
import { unknownId } from './unknown-id.js';
import { deadlineOf, type GroupProgress, PROGRESS_MS, tickOf, type WaitOptions, waitFor } from './waiting.js';

const ENDED = new Set(['completed', 'failed', 'expired', 'cancelled']);
/**
 * Submits work and fetches results: what the commands use, and an API server instead of the shell.
 * One connection for commands, and one blocking connection for any number of waits.
 */
export class InferClient {
  readonly signatures: Signatures;
  private readonly producer: Producer;
  private readonly waiter: Waiter;
  private readonly registered = new Set<string>();
  private readonly places: Places;
  private readonly form: ValueForm;

  /** For tools that look closer than this class does. */
  readonly redis: RedisClient;
  readonly target: RedisTarget;

  private constructor(
    private readonly connections: Connections,
    private readonly config: ClientConfig,
  ) {
    const { redis } = connections;
    this.redis = redis;
    this.target = connections.target;
    this.producer = new Producer(redis, config.prefix, systemClock);
    this.places = new Places(redis, config.prefix);
    this.form = config.values ?? 'exact';
    this.signatures = new Signatures(redis, config.prefix, config.modelsDir);
    const openBlocking = () => connectLike(redis, 'blocking');
    this.waiter = new Waiter(newId('j'), config.prefix, openBlocking, (id, to) => this.places.set(id, to));
  }

  /**
   * A client by the settings of the environment and configuration file, which `options` overrule;
   * with no Redis named and none on the default address, infer's own private server is started.
   */
  static async connect(options: ConnectOptions = {}): Promise<InferClient> {
    const root = packageRoot();
    const flags = { redisUrl: options.redis, prefix: options.prefix, resultTtl: options.resultTtl };
    const loaded = await loadSettings({ flags, packageRoot: root });
    const { prefix, modelsDir, resultTtl } = loaded.values;
    const redis = connectionSettings(loaded, true);
    const resultRedis = resultSettings(loaded);
    const { values } = options;
    return InferClient.open({ prefix, modelsDir, resultTtl, redis, resultRedis, values }, 'worker');
  }

  /** @throws InferError REDIS_… (69, 77) naming the server and the fix. */
  static async open(config: ClientConfig, role: 'command' | 'worker' = 'command'): Promise<InferClient> {
    return new InferClient(await openConnections(config, role), config);
  }

  /** Queues one job: an array of numbers, nested arrays, named inputs or typed arrays; see docs/input. */
  async submit(input: unknown, options: SubmitOptions = {}): Promise<SubmittedJob> {
    const [payload, signature] = await this.signatures.fit(input, options.model);
    return this.submitPayload(payload, signature, options);
  }

  /** The same for an input that was read already. */
  async submitPayload(
    payload: Payload,
    signature: ModelSignature,
    options: SubmitOptions,
  ): Promise<SubmittedJob> {
    const checkId = options.id !== undefined;
    return this.add(payload, signature, options, { checkId, reply: undefined });
  }

  private async add(
    payload: Payload,
    signature: ModelSignature,
    options: SubmitOptions,
    how: { checkId: boolean; reply: string | undefined },
  ): Promise<SubmittedJob> {
    const { resultTtl } = this.config;
    const spec = specOf(payload.rows, signature, options, { resultTtl, reply: how.reply });
    const input = encodeEnvelope(payload);
    if (how.checkId) await this.refuse(spec.id, { queue: spec.queue, kind: 'job' });
    const [[added]] = await this.guard(
      Promise.all([
        this.producer.submit(spec.queue, [{ spec, input }], how.checkId),
        this.register(spec.queue),
      ]),
    );
    this.places.set(spec.id, spec.queue);
    const { id, queue, priority, model, rows } = spec;
    const duplicate = added?.duplicate ? { duplicate: true as const } : {};
    return { id, queue, priority, model, rows, ...duplicate };
  }

  /** Submits one job and waits for its end, which its worker tells us of: the quickest way to an answer. */
  async run(input: unknown, options: SubmitOptions & WaitOptions = {}): Promise<JobResult> {
    const [payload, signature] = await this.signatures.fit(input, options.model);
    return this.runPayload(payload, signature, options);
  }

  async runPayload(
    payload: Payload,
    signature: ModelSignature,
    options: SubmitOptions & WaitOptions,
    onSubmitted?: (job: SubmittedJob) => void,
  ): Promise<JobResult> {
    const queue = queueFor(payload.rows, options);
    const id = options.id ?? newId('j');
    // Listening starts before the job exists, so that its notice cannot come too early.
    const heard = this.waiter.next(queue, id);
    try {
      const how = { checkId: options.id !== undefined, reply: this.waiter.listFor(queue) };
      const submitted = await this.add(payload, signature, { ...options, id }, how);
      onSubmitted?.(submitted);
    } catch (error) {
      this.waiter.forget(id);
      throw error;
    }
    const deadline = deadlineOf(options.timeoutMs);
    // At its own deadline the job's state is looked at: it may have expired with no worker about.
    const limits = { id, deadline, signal: options.signal, tickMs: tickOf(options) };
    const told = await waitFor(heard, limits);
    if (told !== undefined) return this.fromNotice(queue, told);
    const left = deadline === undefined ? undefined : deadline - Date.now();
    return this.wait(id, { ...options, timeoutMs: left });
  }

  /** A group to write chunks to: rows in any number, streamed. */
  async openGroup(signature: ModelSignature, options: SubmitOptions): Promise<GroupWriter> {
    const { resultTtl } = this.config;
    const id = options.id ?? newId('g');
    const template = specOf(0, signature, { ...options, id, queue: options.queue ?? 'batch' }, { resultTtl });
    const { queue } = template;
    if (options.id !== undefined) await this.refuse(id, { queue, kind: 'group' });
    this.places.set(id, template.queue);
    const [writer] = await this.guard(
      Promise.all([GroupWriter.open(this.producer, template), this.register(template.queue)]),
    );
    return writer;
  }

  /** A group that was submitted before, as its submit answered. */
  async duplicateGroup(id: string): Promise<SubmittedGroup> {
    const { queue, priority, model, rows, jobs } = await this.group(id);
    return { group: id, queue, priority, model, rows, jobs, duplicate: true };
  }

  /** Submits many rows as a group of chunk jobs; a chunk that fails takes those before it back. */
  async submitMany(
    chunks: AsyncIterable<Chunk>,
    signature: ModelSignature,
    options: SubmitOptions = {},
  ): Promise<SubmittedGroup> {
    const writer = await this.openGroup(signature, options);
    if (writer.isDuplicate) return this.duplicateGroup(options.id ?? '');
    try {
      for await (const chunk of chunks) await this.guard(writer.write(chunk));
      return await this.guard(writer.close());
    } catch (error) {
      await writer.abandon().catch(() => undefined);
      throw error;
    }
  }

  /** Submits any number of plain rows as one group; its `results()` come in input order. */
  submitRows(rows: Iterable<unknown> | AsyncIterable<unknown>, options: SubmitOptions = {}) {
    return submitRows(this, rows, options);
  }
  /** How a job stands, with its result when it has one. @throws InferError JOB_UNKNOWN (66). */
  async result(id: string): Promise<JobResult> {
    const record = this.signatures.heed(await this.record(id));
    const stored = ENDED.has(record.state)
      ? await this.guard(this.connections.results.read(record.queue, id, record.endedBy ?? ''))
      : undefined;
    // The record outlives a short-lived result: without it there is nothing to answer with.
    if (record.state === 'completed' && stored === undefined && record.resultTtl !== 0) throw unknownId(id);
    return toJobResult(record, stored, this.form);
  }

  /**
   * Waits until a job ends. The worker tells; every two seconds its state is looked at as well, so
   * no end is missed. @throws InferError WAIT_TIMEOUT (75), JOB_UNKNOWN (66).
   */
  async wait(id: string, options: WaitOptions = {}): Promise<JobResult> {
    const deadline = deadlineOf(options.timeoutMs);
    for (;;) {
      const { queue } = await this.places.of(id, 'job');
      const heard = this.waiter.next(queue, id);
      await this.guard(this.producer.expireDue(queue, id));
      const standing = await this.watch(queue, id, 'job');
      if (standing !== 'pending') this.waiter.forget(id);
      if (standing === 'unknown' && (await this.places.moved(id, queue))) continue;
      if (standing !== 'pending') return this.result(id);
      const told = await waitFor(heard, { id, deadline, signal: options.signal });
      if (told !== undefined) return this.fromNotice(queue, told);
    }
  }

  /** Waits until a whole group has ended; `onProgress` is called about twice a second. */
  async waitGroup(id: string, options: WaitOptions & GroupProgress = {}): Promise<GroupRecord> {
    const deadline = deadlineOf(options.timeoutMs);
    const tickMs = options.onProgress === undefined ? undefined : PROGRESS_MS;
    for (;;) {
      const { queue } = await this.places.of(id, 'group');
      const heard = this.waiter.next(queue, id);
      await this.watch(queue, id, 'group');
      const group = await this.group(id);
      options.onProgress?.(group);
      if (ENDED.has(group.state)) {
        this.waiter.forget(id);
        return group;
      }
      await waitFor(heard, { id, deadline, signal: options.signal, tickMs });
    }
  }

  async group(id: string): Promise<GroupRecord> {
    const { queue } = await this.places.of(id, 'group');
    await this.guard(this.producer.expireDue(queue));
    const group = await this.guard(readGroup(this.redis, this.config.prefix, queue, id));
    if (group === undefined) throw unknownId(id);
    return group;
  }

  /** Chunks of a group in input order, fetched as they are read. */
  groupChunks(group: GroupRecord): AsyncGenerator<GroupChunk> {
    return groupChunks(this.redis, this.config.prefix, group, this.connections.results, this.form);
  }

  /** What an id names, and where. @throws InferError JOB_UNKNOWN (66). */
  find(id: string): Promise<{ queue: string; kind: 'job' | 'group' }> {
    return this.places.find(id);
  }

  /**
   * Cancels a job or a whole group. A waiting one is `cancelled` at once; an active one when its
   * runner has let go of it. Answers the state after.
   */
  async cancel(id: string): Promise<string> {
    const place = await this.find(id);
    if (place.kind === 'group') {
      await this.guard(this.producer.cancelGroup(await this.group(id)));
      return (await this.group(id)).state;
    }
    const state = await this.guard(this.producer.cancel(place.queue, id));
    if (state === undefined) throw unknownId(id);
    return state;
  }

  private watch(queue: string, id: string, kind: 'job' | 'group') {
    const list = this.waiter.listFor(queue);
    return this.guard(watchEnd(this.redis, this.config.prefix, queue, id, list, kind));
  }

  /** Puts a failed job, or the failed jobs of a group, back to waiting; answers how many. */
  async retry(id: string, { timeLimitMs }: RetryOptions = {}): Promise<{ queue: string; count: number }> {
    const { queue, kind } = await this.find(id);
    if (kind === 'job')
      return { queue, count: await this.guard(this.producer.retry(queue, [id], timeLimitMs)) };
    return { queue, count: await this.guard(this.producer.retryGroup(await this.group(id), timeLimitMs)) };
  }

  /** Puts every failed job of a queue back to waiting; answers how many. */
  async retryFailed(queue: string, { timeLimitMs }: RetryOptions = {}): Promise<number> {
    return this.guard(this.producer.retryFailed(checkQueueName(queue), timeLimitMs));
  }

  /** True when some live worker serves the queue. */
  async hasWorker(queue: string): Promise<boolean> {
    const workers = await this.guard(listWorkers(this.redis, this.config.prefix));
    return workers.some((worker) => worker.queues.includes(queue));
  }

  async close(): Promise<void> {
    await this.waiter.close();
    await this.producer.close();
    await this.connections.close();
  }

  private refuse(id: string, wanted: { queue: string; kind: 'job' | 'group' }): Promise<void> {
    return this.guard(refuseTaken(this.redis, this.config.prefix, id, wanted));
  }

  private async register(queue: string): Promise<void> {
    if (this.registered.has(queue)) return;
    await this.producer.registerQueue(queue);
    this.registered.add(queue);
  }

  private async record(id: string): Promise<JobRecord> {
    const { queue } = await this.places.of(id, 'job');
    // With no worker about, nobody else ends it at its deadline.
    await this.guard(this.producer.expireDue(queue, id));
    const record = await this.guard(readJob(this.redis, this.config.prefix, queue, id));
    if (record !== undefined) return record;
    if (await this.places.moved(id, queue)) return this.record(id);
    throw unknownId(id);
  }

  private async fromNotice(queue: string, heard: Heard): Promise<JobResult> {
    const { notice, result } = heard;
    // Too large to ride along, or none: the record and the stored result say it.
    if (notice.meta === undefined || (notice.size ?? 0) !== (result?.length ?? 0))
      return this.result(notice.id);
    this.signatures.heed(notice);
    const ending = { ...notice, queue, state: notice.state ?? 'completed', attempts: notice.meta.attempts };
    return toJobResult({ ...ending, model: notice.model ?? '', rows: notice.rows ?? 1 }, result, this.form);
  }

  private guard<T>(work: Promise<T>): Promise<T> {
    return worded(this.redis, work);
  }
}
