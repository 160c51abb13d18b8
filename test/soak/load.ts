import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { InferClient } from '../../src/lib/index.js';
import type { Random } from '../chaos/random.js';
import { OPERATIONS, type OperationName } from './operations.js';

/** What a client did since the last report. */
export interface LoadReport {
  jobs: number;
  /** Operations in flight. */
  open: number;
  /** Of `call`, from submit to answer, ms; absent when none ended. */
  p50?: number;
  p99?: number;
  /** Since the start: outcomes of the operations, as `<name> <outcome>`. */
  outcomes: Record<string, number>;
  /** Since the start: unexpected outcomes. */
  unexpected: Record<string, number>;
}

const TICK_MS = 20;
/** Beyond this nothing is begun: the run has failed, and must not take the machine down. */
const MOST_OPEN = 3000;
/** Different messages kept. */
const MOST_KINDS = 50;

/**
 * Begins operations at a fixed rate, whatever happens to earlier ones, and retains nothing of an ended one: its process
 * is one of those whose memory must not grow.
 */
export class Load {
  private readonly latency: RecordableHistogram = createHistogram({ figures: 3 });
  private readonly outcomes = new Map<string, number>();
  private readonly unexpected = new Map<string, number>();
  private readonly running = new Set<Promise<void>>();
  private readonly names = Object.keys(OPERATIONS) as OperationName[];
  private timer: NodeJS.Timeout | undefined;
  private serial = 0;
  private jobs = 0;
  private owed = 0;
  private last = 0;

  constructor(
    private readonly infer: InferClient,
    /** Makes ids of this client unique. */
    private readonly name: string,
    /** Jobs a second. */
    private readonly rate: number,
    private readonly random: Random,
  ) {}

  start(): void {
    this.last = performance.now();
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  /** Begins nothing more; resolves when everything it began has ended. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    while (this.running.size > 0) await Promise.all(this.running);
  }

  report(): LoadReport {
    const { jobs, latency } = this;
    const times =
      latency.count === 0 ? {} : { p50: latency.percentile(50) / 1000, p99: latency.percentile(99) / 1000 };
    const report = {
      jobs,
      open: this.running.size,
      ...times,
      outcomes: Object.fromEntries(this.outcomes),
      unexpected: Object.fromEntries(this.unexpected),
    };
    this.jobs = 0;
    latency.reset();
    return report;
  }

  private tick(): void {
    const now = performance.now();
    this.owed += ((now - this.last) / 1000) * this.rate;
    this.last = now;
    while (this.owed > 0) {
      const name = this.draw();
      this.owed -= OPERATIONS[name].jobs;
      if (this.running.size >= MOST_OPEN) {
        this.count(this.unexpected, `${name}: not begun, ${MOST_OPEN} operations are open`);
        continue;
      }
      const work = this.perform(name).finally(() => this.running.delete(work));
      this.running.add(work);
    }
  }

  private draw(): OperationName {
    // Operations of many jobs are begun less often accordingly.
    const weightOf = (name: OperationName) => OPERATIONS[name].share / OPERATIONS[name].jobs;
    let left = this.random.next() * this.names.reduce((sum, name) => sum + weightOf(name), 0);
    for (const name of this.names) {
      left -= weightOf(name);
      if (left < 0) return name;
    }
    return 'call';
  }

  private async perform(name: OperationName): Promise<void> {
    const n = ++this.serial;
    const { infer, random } = this;
    const operation = OPERATIONS[name];
    const began = performance.now();
    try {
      const outcome = await operation.run({ infer, random, n, id: `${this.name}-${n}` });
      this.count(this.outcomes, `${name} ${outcome}`);
      if (name === 'call') this.latency.record(Math.max(1, Math.round((performance.now() - began) * 1000)));
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      // Messages with ids and times would all be different; a code is enough.
      this.count(this.unexpected, `${name}: ${code ?? message}`.slice(0, 200));
    }
    this.jobs += operation.jobs;
  }

  private count(counts: Map<string, number>, what: string): void {
    const key = counts.has(what) || counts.size < MOST_KINDS ? what : 'others';
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
}
