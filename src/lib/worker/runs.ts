import type { ExpectedEnd } from '../batch/hand-over.js';
import type { MicroBatch, Part } from '../batch/planner.js';
import { type Clock, hostClock } from '../core/clock.js';
import type { RunReply } from '../model/runner.js';
import type { DeviceBusy } from '../queue/device-busy.js';
import { BusyMeter } from './busy-meter.js';
import type { HeldJob } from './held-jobs.js';
import { RunClock, RunTimes } from './run-clock.js';
import type { RunnerSlot } from './runner-slot.js';

/** The runs in progress of a worker: what is in them, and since when. */
export class Runs {
  private readonly batches = new Map<
    RunnerSlot,
    { batch: MicroBatch<HeldJob>; sentAt: number; begun: number }
  >();
  private readonly times = new RunTimes();
  /** Which runners are working, and how long runs take. */
  readonly clocked: RunClock;
  readonly meter = new BusyMeter<RunnerSlot>();
  /** Micro-batches run so far. */
  count = 0;

  /** @param clock Redis's clock, for the times of jobs */
  constructor(
    private readonly clock: Clock,
    private readonly time: Clock = hostClock,
  ) {
    this.clocked = new RunClock(time);
  }

  /** A run begins. @param sentAt when its micro-batch was sent to the runner, by `hostClock` */
  begin(slot: RunnerSlot, batch: MicroBatch<HeldJob>, sentAt: number): void {
    const now = this.clock.now();
    for (const { unit } of batch.parts) {
      unit.startedAt ??= now;
      unit.device = slot.deviceOf(unit.session);
      unit.ran ||= batch.parts.length === 1;
    }
    this.count += 1;
    const begun = this.time.now();
    this.batches.set(slot, { batch, sentAt, begun });
    this.clocked.begin(slot, firstOf(batch).job.spec.model);
    this.meter.begins(slot, begun);
  }

  /** A run has ended; failed without a reply. */
  end(slot: RunnerSlot, reply?: RunReply): void {
    const run = this.batches.get(slot);
    if (run === undefined) return;
    this.batches.delete(slot);
    const ms = this.clocked.end(slot);
    const [begun, ended] = reply?.at ?? [run.begun, this.time.now()];
    // The reply may have waited while this process was busy.
    if (reply !== undefined) this.times.record(kindOf(run.batch), Math.min(ms, ended - begun));
    this.meter.ran(slot, { sentAt: run.sentAt, begun, ended });
  }

  /** How busy the devices were in the last minute. */
  get busy(): DeviceBusy | undefined {
    return this.meter.share(this.time.now());
  }

  has(slot: RunnerSlot): boolean {
    return this.batches.has(slot);
  }

  get size(): number {
    return this.batches.size;
  }

  /** Jobs with rows in a run. */
  get jobs(): ReadonlySet<HeldJob> {
    return new Set([...this.batches.values()].flatMap(({ batch }) => batch.parts.map(({ unit }) => unit)));
  }

  /** The runners with rows of this job in a run. */
  withRowsOf(job: HeldJob): RunnerSlot[] {
    return [...this.batches].flatMap(([slot, { batch }]) => (hasRowsOf(batch, job) ? [slot] : []));
  }

  /** When the run in progress is likely to end, by `hostClock`; undefined before the first run of its kind. */
  expectedEnd(slot: RunnerSlot): ExpectedEnd | undefined {
    const run = this.batches.get(slot);
    const likely = run && this.times.expected(kindOf(run.batch));
    if (run === undefined || likely === undefined) return undefined;
    return { end: run.begun + likely.ms, deviation: likely.deviation };
  }
}

export function hasRowsOf(batch: MicroBatch<HeldJob> | undefined, job: HeldJob): boolean {
  return batch?.parts.some(({ unit }) => unit === job) === true;
}

/** The most urgent job of a micro-batch. */
export function firstOf({ parts }: MicroBatch<HeldJob>): HeldJob {
  return (parts[0] as Part<HeldJob>).unit;
}

/** Runs of one kind take about as long. */
function kindOf(batch: MicroBatch<HeldJob>): string {
  const { payload, session } = firstOf(batch);
  return `${session} ${payload.tensors.map(({ shape }) => shape.join('x')).join(';')} ${batch.rows}`;
}
