import { loadSettings } from '../config/load.js';
import { checkQueueName } from '../core/job.js';
import type { Chunk } from '../input/chunk.js';
import { encodeEnvelope } from '../model/envelope.js';
import { packageRoot } from '../model/package-root.js';
import type { ValueForm } from '../model/rows.js';
import { leastResultBytes, type ModelSignature } from '../model/signature.js';
import type { Payload } from '../model/tensor.js';
import { Producer } from '../queue/broker/producer.js';
import { Waiter } from '../queue/broker/waiter.js';
import { isServed } from '../queue/routes.js';
import type { GroupRecord } from '../queue/types.js';
import { connectLike } from '../redis/connect.js';
import { connectionSettings, resultSettings } from '../redis/from-settings.js';
import type { RedisClient, RedisTarget } from '../redis/types.js';
import { worded } from '../redis/worded.js';
import { Answers } from './answers.js';
import { type ClientConfig, type Connections, openConnections } from './connections.js';
import { groupChunks } from './group-reader.js';
import { GroupSender } from './group-sender.js';
import type { GroupWriter } from './group-writer.js';
import { refuseTaken } from './id-taken.js';
import { JobLocations } from './job-locations.js';
import { type Call, limited } from './limited.js';
import { Signatures } from './signatures.js';
import { nextId, queueFor, specOf } from './spec.js';
import { cancelById, retryById, retryQueue, type SteeringParts } from './steering.js';
import { submitRows } from './submit-rows.js';
import type {
  ConnectOptions,
  GroupChunk,
  JobResult,
  RetryOptions,
  SteerOptions,
  SubmitOptions,
  SubmittedGroup,
  SubmittedJob,
} from './types.js';
import {
  deadlineOf,
  type GroupProgress,
  tickOf,
  type WaitOptions,
  waitFor,
  withLastLook,
} from './waiting.js';

/**
 * Submits work and fetches results: used by the commands, and meant for API servers. One connection for
 * commands, and one blocking connection for any number of waits.
 */
export class InferClient {
  readonly signatures: Signatures;
  private readonly producer: Producer;
  private readonly waiter: Waiter;
  private readonly locations: JobLocations;
  private readonly answers: Answers;
  private readonly steering: SteeringParts;
  private readonly groups: GroupSender;
  private readonly form: ValueForm;
  /** The last call timed out. */
  private silent = false;

  /** For tools that need more than this class offers. */
  readonly redis: RedisClient;
  readonly target: RedisTarget;

  private constructor(
    private readonly connections: Connections,
    private readonly config: ClientConfig,
  ) {
    const { redis, target, clock } = connections;
    this.redis = redis;
    this.target = target;
    this.producer = new Producer(redis, config.prefix, clock);
    this.locations = new JobLocations(redis, config.prefix);
    this.form = config.values ?? 'exact';
    this.signatures = new Signatures(redis, config.prefix, config.modelsDir);
    const openBlocking = (signal: AbortSignal) => connectLike(redis, 'blocking', { signal });
    this.waiter = new Waiter(nextId('j'), config.prefix, openBlocking, (id, to) =>
      this.locations.set(id, to),
    );
    this.answers = new Answers({
      redis,
      prefix: config.prefix,
      producer: this.producer,
      waiter: this.waiter,
      locations: this.locations,
      signatures: this.signatures,
      results: connections.results,
      form: this.form,
    });
    const parts = { redis, prefix: config.prefix, producer: this.producer };
    const defaults = () => this.defaults();
    this.groups = new GroupSender({ ...parts, locations: this.locations, answers: this.answers, defaults });
    const { locations, answers } = this;
    this.steering = { ...parts, locations, answers, operator: config.operator };
  }

  /**
   * A client configured by the environment and the configuration file, which `options` override; if no Redis
   * is configured and none runs on the default address, infer's own private server is started.
   */
  static async connect(options: ConnectOptions = {}): Promise<InferClient> {
    const flags = { redisUrl: options.redis, prefix: options.prefix, resultTtl: options.resultTtl };
    const loaded = await loadSettings({ flags, packageRoot: packageRoot() });
    const { prefix, modelsDir, resultTtl, operator } = loaded.values;
    const redis = connectionSettings(loaded, true);
    const resultRedis = resultSettings(loaded);
    const config = { ...options, prefix, modelsDir, resultTtl, operator, redis, resultRedis };
    return InferClient.open(config, 'worker');
  }

  /** @throws InferError REDIS_… (69, 77) naming the server and the fix. */
  static async open(config: ClientConfig, role: 'command' | 'worker' = 'command'): Promise<InferClient> {
    return new InferClient(await openConnections(config, role), config);
  }

  /** Queues one job: an array of numbers, nested arrays, named inputs or typed arrays; see docs/input. */
  async submit(input: unknown, options: SubmitOptions & WaitOptions = {}): Promise<SubmittedJob> {
    return this.limited(options, async (call) => {
      const [payload, signature] = await this.signatures.fit(input, options.model, call.looksAt);
      return this.add(payload, signature, options, call);
    });
  }

  /** The same for an input that has already been read. */
  async submitPayload(
    payload: Payload,
    signature: ModelSignature,
    options: SubmitOptions & WaitOptions,
  ): Promise<SubmittedJob> {
    return this.limited(options, (call) => this.add(payload, signature, options, call));
  }

  private async add(
    payload: Payload,
    signature: ModelSignature,
    options: SubmitOptions,
    call: Call,
    waited: { id?: string; reply?: string } = {},
  ): Promise<SubmittedJob> {
    const checkId = options.id !== undefined; // Only an id chosen by the caller may already exist.
    const id = waited.id ?? options.id;
    const defaults = await this.guard(this.defaults(waited.reply));
    const spec = specOf(payload.rows, signature, { ...options, id }, defaults);
    const input = encodeEnvelope(payload);
    const resultBytes = this.config.resultRedis ? 0 : leastResultBytes(signature, payload);
    if (checkId) await this.refuse(spec.id, { queue: spec.queue, kind: 'job' });
    call.sends(spec.id);
    const [[added]] = await this.guard(
      Promise.all([
        this.producer.submit(spec.queue, [{ spec, input, resultBytes }], checkId),
        this.producer.registerQueue(spec.queue),
      ]),
    );
    this.locations.set(spec.id, spec.queue);
    const { queue, priority, model, rows } = spec;
    return { id: spec.id, queue, priority, model, rows, ...(added?.duplicate ? { duplicate: true } : {}) };
  }

  private async defaults(reply?: string) {
    return { resultTtl: this.config.resultTtl, reply, now: await this.connections.clock.settled() };
  }

  /**
   * Submits one job and waits for its end, of which its worker notifies us: the fastest way to get an answer.
   */
  async run(input: unknown, options: SubmitOptions & WaitOptions = {}): Promise<JobResult> {
    const deadline = deadlineOf(options.timeoutMs);
    return this.limited(withLastLook(options), async (call) => {
      const [payload, signature] = await this.signatures.fit(input, options.model, call.looksAt);
      return this.runWithin(payload, signature, options, call, deadline);
    });
  }

  async runPayload(
    payload: Payload,
    signature: ModelSignature,
    options: SubmitOptions & WaitOptions,
    onSubmitted?: (job: SubmittedJob) => void,
  ): Promise<JobResult> {
    const deadline = deadlineOf(options.timeoutMs);
    return this.limited(withLastLook(options), (call) =>
      this.runWithin(payload, signature, options, call, deadline, onSubmitted),
    );
  }

  private async runWithin(
    payload: Payload,
    signature: ModelSignature,
    options: SubmitOptions,
    call: Call,
    deadline: number | undefined,
    onSubmitted?: (job: SubmittedJob) => void,
  ): Promise<JobResult> {
    const queue = queueFor(payload.rows, options);
    const id = options.id ?? nextId('j');
    // Start listening before the job exists, so that its notice cannot come too early.
    const heard = this.waiter.next(queue, id);
    try {
      const waited = { id, reply: this.waiter.listFor(queue) };
      const submitted = await this.add(payload, signature, options, call, waited);
      onSubmitted?.(submitted);
    } catch (error) {
      this.waiter.forget(id);
      throw error;
    }
    call.waitsFor(id);
    // At its deadline, the job's state is checked: it may have expired without a live worker.
    const limits = { id, deadline, signal: call.signal, tickMs: tickOf(options) };
    const told = await waitFor(heard, limits);
    if (told !== undefined) return this.answers.fromNotice(queue, told);
    return this.answers.wait(id, call, deadline);
  }

  /** Opens a group to write chunks to: any number of rows, streamed. */
  openGroup(signature: ModelSignature, options: SubmitOptions & WaitOptions): Promise<GroupWriter> {
    return this.limited(options, (call) => this.groups.open(signature, options, call));
  }

  /** A group that was submitted before, in the form its submit returned. */
  duplicateGroup(id: string, limits: WaitOptions = {}): Promise<SubmittedGroup> {
    return this.limited(limits, () => this.groups.duplicate(id));
  }

  /** Submits many rows as a group of chunk jobs; if a chunk fails, the earlier ones are cancelled. */
  submitMany(
    chunks: AsyncIterable<Chunk>,
    signature: ModelSignature,
    options: SubmitOptions & WaitOptions = {},
  ): Promise<SubmittedGroup> {
    return this.limited(options, (call) => this.groups.send(chunks, signature, options, call));
  }

  /** Submits any number of plain rows as one group; its `results()` are in input order. */
  submitRows(rows: Iterable<unknown> | AsyncIterable<unknown>, options: SubmitOptions & WaitOptions = {}) {
    return this.limited(options, (call) => submitRows(this, this.groups, rows, options, call));
  }

  /** The current state of a job, with its result if it has one. @throws InferError JOB_UNKNOWN (66). */
  result(id: string, limits: WaitOptions = {}): Promise<JobResult> {
    return this.limited(limits, () => this.answers.read(id));
  }

  /**
   * Waits until a job ends. Its worker sends a notice; the state is also checked every two seconds, so that
   * no end is missed. @throws InferError WAIT_TIMEOUT (75), JOB_UNKNOWN (66).
   */
  wait(id: string, options: WaitOptions = {}): Promise<JobResult> {
    const deadline = deadlineOf(options.timeoutMs);
    return this.limited(withLastLook(options), (call) => this.answers.wait(id, call, deadline));
  }

  /** Waits until a whole group has ended; `onProgress` is called about twice a second. */
  waitGroup(id: string, options: WaitOptions & GroupProgress = {}): Promise<GroupRecord> {
    const deadline = deadlineOf(options.timeoutMs);
    return this.limited(withLastLook(options), (call) =>
      this.answers.waitGroup(id, call, deadline, options.onProgress),
    );
  }

  group(id: string, limits: WaitOptions = {}): Promise<GroupRecord> {
    return this.limited(limits, () => this.answers.group(id));
  }

  /** Chunks of a group in input order, fetched as they are read; limits apply to each fetch. */
  groupChunks(group: GroupRecord, limits: WaitOptions = {}): AsyncGenerator<GroupChunk> {
    const step = <T>(work: Promise<T>) => this.limited(limits, () => work);
    return groupChunks(this.redis, this.config.prefix, group, this.connections.results, this.form, step);
  }

  /** Whether an id belongs to a job or a group, and in which queue. @throws InferError JOB_UNKNOWN (66). */
  find(id: string, limits: WaitOptions = {}): Promise<{ queue: string; kind: 'job' | 'group' }> {
    return this.limited(limits, () => this.locations.find(id));
  }

  /**
   * Cancels a job or a whole group. A waiting one is `cancelled` immediately, an active one when its runner
   * has stopped it. Returns the resulting state. Writes an entry to the audit log if `as` names the caller.
   */
  cancel(id: string, options: SteerOptions & WaitOptions = {}): Promise<string> {
    return this.limited(options, (call) => cancelById(this.steering, id, options.as, call));
  }

  /** Requeues a failed job, or the failed jobs of a group; returns how many. Audited like `cancel`. */
  retry(id: string, options: RetryOptions & WaitOptions = {}): Promise<{ queue: string; count: number }> {
    return this.limited(options, (call) => retryById(this.steering, id, options, call));
  }

  /** Requeues every failed job of a queue; returns how many. Always writes an entry to the audit log. */
  async retryFailed(queue: string, options: RetryOptions & WaitOptions = {}): Promise<number> {
    checkQueueName(queue);
    return this.limited(options, (call) => retryQueue(this.steering, queue, options, call));
  }

  /**
   * True when a worker serves the queue and, if given, the model (`name` or `name@version`), or is loading its
   * models for it.
   */
  async hasWorker(queue: string, options: WaitOptions & { model?: string } = {}): Promise<boolean> {
    const { redis, config } = this;
    return this.limited(options, () => this.guard(isServed(redis, config.prefix, queue, options.model)));
  }

  async close(): Promise<void> {
    // Closing handshakes with a server that does not answer would only cost the caller more time.
    const patienceMs = this.silent ? 0 : undefined;
    await this.groups.settled(this.silent);
    await this.waiter.close();
    await this.producer.close(patienceMs);
    await this.connections.close(patienceMs);
  }

  /** Every public method goes through here: the limits of a call apply to all of it, whatever hangs. */
  private async limited<T>(limits: WaitOptions, work: (call: Call) => Promise<T>): Promise<T> {
    const done = await limited(this.redis, limits, work, () => {
      this.silent = true;
    });
    this.silent = false;
    return done;
  }

  private refuse(id: string, wanted: { queue: string; kind: 'job' | 'group' }): Promise<void> {
    return this.guard(refuseTaken(this.redis, this.config.prefix, id, wanted));
  }

  private guard<T>(work: Promise<T>): Promise<T> {
    return worded(this.redis, work);
  }
}
