import type { EtaErrors } from '../deployment/place/eta-errors.js';
import type { JobPlace } from '../deployment/place/job-place.js';
import type { Chunk } from '../input/chunk.js';
import { encodeEnvelope } from '../model/envelope.js';
import type { ValueForm } from '../model/rows.js';
import { leastResultBytes, selectionOf } from '../model/selection.js';
import type { ModelSignature } from '../model/signature.js';
import type { Payload } from '../model/tensor.js';
import { Producer } from '../queue/broker/producer.js';
import type { ResultSource } from '../queue/broker/result-store.js';
import { Waiter } from '../queue/broker/waiter.js';
import { isServed } from '../queue/routes.js';
import type { GroupRecord } from '../queue/types.js';
import { connectLike } from '../redis/connect.js';
import type { RedisClient, RedisTarget } from '../redis/types.js';
import { worded } from '../redis/worded.js';
import { Answers } from './answers.js';
import { type ClientConfig, type Connections, configOf, openConnections, openWithin } from './connections.js';
import { type GroupLimits, groupChunks } from './group-reader.js';
import { GroupSender } from './group-sender.js';
import type { GroupWriter } from './group-writer.js';
import { refuseOthers, refuseTaken, type WantedId } from './id-taken.js';
import { JobLocations } from './job-locations.js';
import { type Call, limited } from './limited.js';
import { type Reading, toJobResult } from './render.js';
import { Signatures } from './signatures.js';
import { nextId, specOf, submittedOf } from './spec.js';
import { cancelById, retryById, retryQueue, type SteeringParts } from './steering.js';
import { type Awaited, submitAndWait, type Waited } from './submit-and-wait.js';
import { submitRows } from './submit-rows.js';
import type {
  ConnectOptions,
  Found,
  GroupChunk,
  JobResult,
  LookLimits,
  RetryOptions,
  SteerOptions,
  SubmitOptions,
  SubmittedGroup,
  SubmittedJob,
} from './types.js';
import { deadlineOf, type GroupProgress, type WaitOptions, withLastLook } from './waiting.js';
import { Watcher } from './watcher.js';

/**
 * Submits work and fetches results: used by the commands, and meant for API servers. One connection for
 * commands, and one blocking connection for any number of waits.
 */
export class InferClient {
  readonly signatures: Signatures;
  /** Accuracy of the ETAs that `place` returned, for jobs whose end this client has since seen. */
  readonly etaErrors: EtaErrors;
  private readonly producer: Producer;
  private readonly waiter: Waiter;
  readonly locations: JobLocations;
  private readonly answers: Answers;
  private readonly steering: SteeringParts;
  private readonly groups: GroupSender;
  /** How values that JSON has no number for come back. */
  readonly form: ValueForm;
  private readonly asValues: Reading<JobResult> = {
    render: (ending, stored) => toJobResult(ending, stored, this.form),
  };
  /** Tells how jobs and groups stand, to any number of listeners. */
  readonly watcher: Watcher;
  /** The last call timed out. */
  private silent = false;

  /** For tools that need more than this class offers. */
  readonly redis: RedisClient;
  readonly target: RedisTarget;
  readonly results: ResultSource;

  private constructor(
    private readonly connections: Connections,
    private readonly config: ClientConfig,
  ) {
    const { redis, target, clock } = connections;
    this.redis = redis;
    this.target = target;
    this.results = connections.results;
    this.producer = new Producer(redis, config.prefix, clock);
    this.locations = new JobLocations(redis, config.prefix);
    this.form = config.values ?? 'exact';
    this.signatures = new Signatures(redis, config.prefix, config.modelsDir);
    const openBlocking = (signal: AbortSignal) => connectLike(redis, 'blocking', { signal });
    this.waiter = new Waiter(nextId('j'), config.prefix, openBlocking, (id, to) =>
      this.locations.set(id, to),
    );
    const parts = { redis, prefix: config.prefix, producer: this.producer };
    this.answers = new Answers({
      ...parts,
      waiter: this.waiter,
      locations: this.locations,
      signatures: this.signatures,
      results: connections.results,
    });
    this.etaErrors = this.answers.etaErrors;
    const { locations, answers } = this;
    this.groups = new GroupSender({ ...parts, locations, answers, defaults: () => this.defaults() });
    this.steering = { ...parts, locations, answers, operator: config.operator };
    this.watcher = new Watcher({ ...parts, locations, waiter: this.waiter });
  }

  /**
   * A client configured by the environment and the configuration file, which `options` override; if no Redis
   * is configured and none runs on the default address, infer's own private server is started.
   */
  static connect(options: ConnectOptions = {}): Promise<InferClient> {
    return openWithin(options, async () => InferClient.open(await configOf(options), 'worker'));
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
    waited: Partial<Waited> = {},
  ): Promise<SubmittedJob> {
    const checkId = options.id !== undefined; // Only an id chosen by the caller may already exist.
    const id = waited.id ?? options.id;
    const defaults = await this.guard(this.defaults(waited));
    const spec = specOf(payload.rows, signature, { ...options, id }, defaults);
    const asked = { ...payload, ...selectionOf(options, signature) };
    const input = encodeEnvelope(asked);
    const resultBytes = this.config.resultRedis ? 0 : leastResultBytes(signature, asked);
    const wanted: WantedId = { queue: spec.queue, kind: 'job', owner: spec.owner, digest: spec.digest };
    if (checkId) await this.guard(refuseTaken(this.redis, this.config.prefix, spec.id, wanted));
    call.sends(spec.id);
    const [[added]] = await this.guard(
      Promise.all([
        this.producer.submit(spec.queue, [{ spec, input, resultBytes, trace: waited.trace }], checkId),
        this.producer.registerQueue(spec.queue),
      ]),
    );
    if (checkId) await this.guard(refuseOthers(this.redis, this.config.prefix, spec.id, wanted));
    this.locations.set(spec.id, spec.queue, 'job');
    return submittedOf(spec, added?.duplicate === true);
  }

  private async defaults({ reply, trace }: Partial<Waited> = {}) {
    const now = await this.connections.clock.settled();
    return { resultTtl: this.config.resultTtl, reply, now, trace: trace !== undefined };
  }

  /**
   * Submits one job and waits for its end, of which its worker notifies us: the fastest way to get an answer.
   */
  async run(input: unknown, options: SubmitOptions & WaitOptions = {}): Promise<JobResult> {
    const deadline = deadlineOf(options.timeoutMs);
    return this.limited(withLastLook(options), async (call) => {
      const [payload, signature] = await this.signatures.fit(input, options.model, call.looksAt);
      return this.submitAndWait({ payload, signature, options, deadline, ...this.asValues }, call);
    });
  }

  async runPayload(
    payload: Payload,
    signature: ModelSignature,
    options: SubmitOptions & WaitOptions,
    onSubmitted?: (job: SubmittedJob) => void,
  ): Promise<JobResult> {
    return this.runJob({ payload, signature, options, ...this.asValues, onSubmitted });
  }

  /** The same with the result in the form that `render` gives it, if `hold` lets it be read. */
  async runJob<T>(job: Omit<Awaited<T>, 'deadline'>): Promise<T> {
    const { options } = job;
    // If the submit has its own time limit, that of the wait begins after it.
    const deadline = options.submitMs === undefined ? deadlineOf(options.timeoutMs) : undefined;
    const whole = withLastLook(options, options.submitMs);
    return this.limited(whole, (call) => this.submitAndWait({ ...job, deadline }, call));
  }

  private submitAndWait<T>(job: Awaited<T>, call: Call): Promise<T> {
    const { waiter, answers, producer } = this;
    const add = ({ payload, signature, options }: Awaited<unknown>, by: Call, waited: Waited) =>
      this.add(payload, signature, options, by, waited);
    return submitAndWait({ waiter, answers, producer, add }, job, call);
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
    return this.limited(limits, () => this.answers.read(id, this.asValues));
  }

  /**
   * Position, ETA and reason of a job that has not started; undefined when it has.
   * @throws InferError JOB_UNKNOWN (66).
   */
  place(id: string, limits: WaitOptions = {}): Promise<JobPlace | undefined> {
    return this.limited(limits, (call) => this.answers.place(id, call));
  }

  /**
   * Waits until a job ends. Its worker sends a notice; the state is also checked every two seconds, so that
   * no end is missed. @throws InferError WAIT_TIMEOUT (75), JOB_UNKNOWN (66).
   */
  async wait(id: string, options: WaitOptions = {}): Promise<JobResult> {
    const deadline = deadlineOf(options.timeoutMs);
    return this.limited(withLastLook(options), (call) =>
      this.answers.wait(id, call, deadline, this.asValues),
    );
  }

  /** The same without its result, which is not read. */
  async waitEnd(id: string, options: WaitOptions = {}): Promise<void> {
    const deadline = deadlineOf(options.timeoutMs);
    await this.limited(withLastLook(options), (call) => this.answers.waitEnd(id, call, deadline));
  }

  /** Waits until a whole group has ended; `onProgress` is called about twice a second. */
  async waitGroup(id: string, options: WaitOptions & GroupProgress = {}): Promise<GroupRecord> {
    const deadline = deadlineOf(options.timeoutMs);
    return this.limited(withLastLook(options), (call) =>
      this.answers.waitGroup(id, call, deadline, options.onProgress),
    );
  }

  /**
   * The current state of a job or group, with its stored result.
   * @throws InferError JOB_UNKNOWN (66); what `limits.see` and `limits.hold` throw.
   */
  look(id: string, limits: WaitOptions & LookLimits = {}): Promise<Found> {
    return this.limited(limits, () => this.answers.look(id, limits));
  }

  group(id: string, limits: WaitOptions = {}): Promise<GroupRecord> {
    return this.limited(limits, () => this.answers.group(id));
  }

  /** Chunks of a group in input order, fetched as they are read; limits apply to each fetch. */
  async *groupChunks(group: GroupRecord, limits: GroupLimits = {}): AsyncGenerator<GroupChunk> {
    const step = <T>(fetch: () => Promise<T>) => this.limited(limits, fetch);
    const { redis, config, results, form } = this;
    for await (const chunk of groupChunks(redis, config.prefix, group, results, form, step, limits)) {
      limits.signal?.throwIfAborted();
      yield chunk;
    }
  }

  /** Whether an id belongs to a job or a group, and in which queue. @throws InferError JOB_UNKNOWN (66). */
  find(id: string, limits: WaitOptions = {}): Promise<{ queue: string; kind: 'job' | 'group' }> {
    return this.limited(limits, () => this.locations.find(id));
  }

  /**
   * Cancels a job or a whole group. A waiting one is `cancelled` immediately, an active one when its runner
   * has stopped it. Returns the resulting state. Writes an entry to the audit log if `as` names the caller.
   * Jobs of a newer release are left alone. @throws InferError LAYOUT_NEWER (69) if there are no others.
   */
  cancel(id: string, options: SteerOptions & WaitOptions = {}): Promise<string> {
    return this.limited(options, (call) => cancelById(this.steering, id, options.as, call));
  }

  /** Requeues a failed job, or those of a group; returns how many. Audits and throws as `cancel` does. */
  retry(id: string, options: RetryOptions & WaitOptions = {}): Promise<{ queue: string; count: number }> {
    return this.limited(options, (call) => retryById(this.steering, id, options, call));
  }

  /** Requeues all failed jobs of a queue; returns how many. Always audited. @throws InferError QUEUE_UNKNOWN */
  retryFailed(queue: string, options: RetryOptions & WaitOptions = {}): Promise<number> {
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
    this.watcher.close();
    await this.groups.settled(this.silent);
    await this.waiter.close();
    await this.producer.close(patienceMs);
    await this.connections.close(patienceMs);
  }

  /** Called by every public method: checks options first, and applies the limits to the whole call. */
  private async limited<T>(limits: WaitOptions, work: (call: Call) => Promise<T>): Promise<T> {
    const done = await limited(this.redis, limits, work, () => {
      this.silent = true;
    });
    this.silent = false;
    return done;
  }

  private guard<T>(work: Promise<T>): Promise<T> {
    return worded(this.redis, work);
  }
}
