import { setTimeout as delay } from 'node:timers/promises';
import type { InferClient, JobResult, Payload } from '../../src/lib/index.js';
import { payloadFromValue } from '../../src/lib/input/value.js';
import type { HistoryWriter } from './history.js';
import { inputOf } from './inputs.js';
import type { Random } from './random.js';
import type { HistoryEvent, ModelName, Work } from './records.js';
import { UNKNOWN, visible } from './visible.js';

export interface ClientPlan {
  name: string;
  seed: number;
  /** Makes this client's rows unique: 0..15. */
  number: number;
  loops: number;
  /** Mean pause of a loop between two operations, ms. */
  pauseMs: number;
  redis: string;
  library: string;
  history: string;
  resultTtl: number;
  /** How often the process was started before; makes its ids unique. */
  starts: number;
  /** How far its host's clock is ahead, ms. */
  skewMs: number;
  /** Submits jobs whose results are larger than the server accepts. */
  oversized: boolean;
  /** Sends groups twice at once, and aborts one of the two. */
  twins: boolean;
}

/** How a group is sent: rows of a chunk, and the pause before each. */
interface Sending {
  signal?: AbortSignal;
  chunkRows?: number;
  pauseMs?: number;
}

type Submit = {
  id: string;
  work: Work;
  priority: number;
  queue: string;
  resultTtl: number;
  expiresMs?: number;
};

/** After this a client treats the outcome of its call as unknown; the call itself continues. */
const UNKNOWN_AFTER_MS = 4000;
const WAIT_MS = 6000;
const RETRY_MS = 300;
/** For a submit whose outcome is still unknown at the end, when all faults are over. */
const LAST_TRIES_MS = 20_000;
/** A deadline longer than any run, and shorter than the clock offsets. */
const FAR_MS = 1_800_000;
const GROUP_ROWS = 600;
const CHUNK_ROWS = 100;
/** Takes long enough for two senders to overlap. */
const TWIN: Sending = { chunkRows: 10, pauseMs: 3 };
const TWIN_MS = 150;
/** Ids kept to be read again. */
const KEPT = 300;

/** Rows of one client; exact in a float32. */
const ROWS_EACH = 1_000_000;

/** One user of a client: submits, waits, reads again and cancels, at random, one operation after another. */
export class ClientLoop {
  private readonly known: string[] = [];
  private serial = 0;
  private lastTry = Number.POSITIVE_INFINITY;

  constructor(
    private readonly client: InferClient,
    private readonly history: HistoryWriter,
    private readonly plan: ClientPlan,
    private readonly index: number,
    private readonly random: Random,
    private readonly stop: AbortSignal,
  ) {
    stop.addEventListener('abort', () => {
      this.lastTry = Date.now() + LAST_TRIES_MS;
    });
  }

  async run(): Promise<void> {
    const { random } = this;
    while (!this.stop.aborted) {
      const dice = random.next();
      if (dice < 0.38) await this.submit(this.single());
      else if (dice < 0.58) await this.submitAndWait(this.single());
      else if (dice < 0.62) await this.submitTwice(this.large());
      else if (dice < 0.67) await this.submit({ ...this.single(), expiresMs: random.int(1, 1500) });
      else if (dice < 0.72) await this.submitAndCancel(this.single());
      else if (dice < 0.74) await this.group();
      else if (dice < 0.76 && this.plan.twins) await this.groupTwice();
      else if (dice < 0.79 && this.plan.oversized) await this.submit(this.bulky());
      else await this.readOne();
      await delay(random.int(0, 2 * this.plan.pauseMs), undefined, { signal: this.stop }).catch(
        () => undefined,
      );
    }
  }

  private single(): Submit {
    const { random } = this;
    const model = random.pick<ModelName>(['digits', 'digits', 'slow', 'slow', 'echo', 'poison']);
    const count = model !== 'poison' && random.chance(0.15) ? random.int(2, 90) : 1;
    return {
      id: this.newId('c'),
      work: this.work(model, count),
      priority: random.int(0, 9),
      queue: random.pick(['realtime', 'batch']),
      // Some want no result, so their record expires after a minute.
      resultTtl: random.chance(0.05) ? 0 : this.plan.resultTtl,
      ...(random.chance(0.1) ? { expiresMs: FAR_MS } : {}),
    };
  }

  /** With an input in its own key. */
  private large(): Submit {
    return { ...this.single(), work: this.work('digits', this.random.int(1, 2) * 30) };
  }

  private bulky(): Submit {
    return { ...this.single(), work: this.work('bulky', 1), resultTtl: this.plan.resultTtl };
  }

  private newId(kind: string): string {
    this.serial += 1;
    const { number, starts } = this.plan;
    return `${kind}${number}-${starts}-${this.index}-${this.serial}`;
  }

  /** Resends what an earlier process of this client began without an answer. */
  async resume({ op, id, work, queue = 'batch', resultTtl = 0, chunkRows }: HistoryEvent): Promise<void> {
    if (op === 'group') await this.sendGroup(id, work as Work, { chunkRows: chunkRows ?? CHUNK_ROWS });
    else await this.submit({ id, work: work as Work, priority: 0, queue, resultTtl });
  }

  /** Loops of a client take turns through its rows. */
  private work(model: ModelName, count: number): Work {
    const share = ROWS_EACH / this.plan.loops;
    const from = Math.floor(this.index * share) + ((this.serial * 701) % Math.floor(share - GROUP_ROWS));
    return { model, from: this.plan.number * ROWS_EACH + from, count };
  }

  /** Until it is known to be accepted, with the same id each time, which is what ids are for. */
  private async submit(submit: Submit): Promise<boolean> {
    const { id, work, resultTtl, queue } = submit;
    const noted = {
      id,
      work,
      resultTtl,
      queue,
      // A distant deadline must end no job, whatever its host's clock.
      ...((submit.expiresMs ?? FAR_MS) < FAR_MS ? { expires: true as const } : {}),
    };
    while (Date.now() < this.lastTry) {
      this.history.add({ op: 'submit', type: 'invoke', ...noted });
      try {
        const job = await within(this.client.submit(inputOf(work), options(submit)));
        this.history.add({ op: 'submit', type: 'ok', id, ...(job.duplicate ? { duplicate: true } : {}) });
        this.remember(id);
        return true;
      } catch (error) {
        this.history.add({ op: 'submit', type: 'info', id, code: codeOf(error) });
        await delay(RETRY_MS);
      }
    }
    return false;
  }

  /** One call for both; a wait that ends early says nothing about the job. */
  private async submitAndWait(submit: Submit): Promise<void> {
    const { id, work, resultTtl, queue } = submit;
    this.history.add({ op: 'submit', type: 'invoke', id, work, resultTtl, queue });
    try {
      const job = await within(
        this.client.run(inputOf(work), { ...options(submit), timeoutMs: WAIT_MS }),
        WAIT_MS + UNKNOWN_AFTER_MS,
      );
      this.history.add({ op: 'submit', type: 'ok', id });
      this.remember(id);
      this.noteRead(job);
    } catch (error) {
      this.history.add({ op: 'submit', type: 'info', id, code: codeOf(error) });
      await this.submit(submit);
    }
  }

  /** The same id at the same time, as an impatient gateway would. */
  private async submitTwice(submit: Submit): Promise<void> {
    await Promise.all([this.submit(submit), this.submit(submit), this.submit(submit)]);
  }

  private async submitAndCancel(submit: Submit): Promise<void> {
    if (!(await this.submit(submit))) return;
    await delay(this.random.int(0, 30));
    await this.cancel(submit.id);
  }

  private async cancel(id: string): Promise<void> {
    this.history.add({ op: 'cancel', type: 'invoke', id });
    try {
      const state = await within(this.client.cancel(id));
      this.history.add({ op: 'cancel', type: 'ok', id, state });
    } catch (error) {
      this.history.add({ op: 'cancel', type: 'info', id, code: codeOf(error) });
    }
  }

  private async group(): Promise<void> {
    const id = this.newId('g');
    await this.sendGroup(id, this.groupWork());
    if (this.random.chance(0.15)) await this.cancel(id);
  }

  /** The same group at the same time, like a gateway that retries; the first of the two is aborted. */
  private async groupTwice(): Promise<void> {
    const id = this.newId('g');
    const work = this.groupWork();
    const givenUp = new AbortController();
    const { signal } = givenUp;
    const first = this.sendOnce(id, work, { signal, ...TWIN });
    await delay(this.random.int(0, 20));
    const second = this.sendGroup(id, work, TWIN);
    await delay(this.random.int(0, TWIN_MS));
    if (this.random.chance(0.7)) {
      // On a slow machine the first may be alone when it aborts: its group is withdrawn, and what has run of it blocks
      // the id for the second. A group that the second has sent stays, whatever the first does.
      this.history.add({ op: 'withdraw', type: 'info', id });
      givenUp.abort();
    }
    await Promise.all([first, second]);
  }

  private groupWork(): Work {
    return this.work(this.random.pick<ModelName>(['digits', 'slow']), GROUP_ROWS);
  }

  /** Returns whether all of it is known to be queued. */
  private async sendGroup(id: string, work: Work, how: Sending = {}): Promise<boolean> {
    while (Date.now() < this.lastTry) {
      if (await this.sendOnce(id, work, how)) return true;
      await delay(RETRY_MS);
    }
    return false;
  }

  /** Returns whether all of it is known to be queued. */
  private async sendOnce(
    id: string,
    work: Work,
    { signal, chunkRows = CHUNK_ROWS, pauseMs = 0 }: Sending,
  ): Promise<boolean> {
    const { resultTtl } = this.plan;
    this.history.add({ op: 'group', type: 'invoke', id, work, resultTtl, chunkRows });
    try {
      const signature = await within(this.client.signatures.find(work.model));
      const chunks = (async function* (): AsyncGenerator<Payload> {
        for (let from = 0; from < work.count; from += chunkRows) {
          if (pauseMs > 0) await delay(pauseMs);
          const count = Math.min(chunkRows, work.count - from);
          yield payloadFromValue(inputOf({ ...work, from: work.from + from, count }), signature);
        }
      })();
      const options = { id, resultTtl, queue: 'batch', signal };
      const sending = this.client.submitMany(chunks, signature, options);
      // Also when that is known only after this client has stopped waiting for it.
      sending.catch((error: unknown) => {
        if (codeOf(error) === 'REDIS_FULL') this.history.add({ op: 'withdraw', type: 'info', id });
      });
      const group = await within(sending);
      this.history.add({ op: 'group', type: 'ok', id, jobs: group.jobs });
      return true;
    } catch (error) {
      this.history.add({ op: 'group', type: 'info', id, code: codeOf(error) });
      return false;
    }
  }

  private async readOne(): Promise<void> {
    if (this.known.length === 0) return;
    const id = this.random.pick(this.known);
    try {
      this.noteRead(await within(this.client.result(id)));
    } catch (error) {
      const gone = UNKNOWN.has(codeOf(error));
      this.history.add({ op: 'read', type: gone ? 'ok' : 'info', id, ...(gone ? { state: 'unknown' } : {}) });
    }
  }

  private noteRead(job: JobResult): void {
    this.history.add({ op: 'read', type: 'ok', id: job.id, ...visible(job) });
  }

  private remember(id: string): void {
    this.known.push(id);
    if (this.known.length > KEPT) this.known.splice(this.random.int(0, KEPT - 1), 1);
  }
}

function options({ id, work, priority, queue, resultTtl, expiresMs }: Submit) {
  return { id, model: work.model, priority, queue, resultTtl, expiresMs };
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' ? code : error instanceof Error ? error.message.slice(0, 120) : 'UNKNOWN';
}

/** Stops waiting, but not the call, which is exactly what makes an outcome unknown. */
async function within<T>(call: Promise<T>, ms = UNKNOWN_AFTER_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error('no answer'), { code: 'NO_ANSWER' })), ms);
  });
  call.catch(() => undefined);
  try {
    return await Promise.race([call, late]);
  } finally {
    clearTimeout(timer);
  }
}
