import type { Clock } from '../core/clock.js';
import { STATS_BUCKETS } from '../queue/keys.js';
import type { Settlement } from '../queue/types.js';
import { bucketAt, WorkFigures, type WorkReport } from '../queue/work-stats.js';

/** One queue's figures: of the current ten seconds, of those not sent yet, and of all time. */
interface QueueWork {
  queue: string;
  bucket: number;
  recent: WorkFigures;
  changed: boolean;
  total: WorkFigures;
}

/**
 * Counts a worker's work in memory: a job costs a few additions and no allocation, and is sent to Redis only
 * with the heartbeat.
 */
export class WorkRecord {
  private readonly works = new Map<string, QueueWork>();
  /** Completed buckets not yet sent. */
  private unsent: WorkReport['buckets'][number][] = [];

  constructor(private readonly clock: Clock) {}

  /** An outcome that Redis has accepted. */
  settled(settlement: Settlement): void {
    if (settlement.kind === 'release') return;
    const work = this.workOf(settlement.job.spec.queue);
    const { model } = settlement.job.spec;
    for (const figures of [work.recent, work.total]) {
      count(figures, settlement);
      if (model !== undefined) count(figures.ofModel(model), settlement);
    }
  }

  /** A micro-batch that is about to run. */
  batch(queue: string, model: string, rows: number, reason: string): void {
    const work = this.workOf(queue);
    for (const figures of [work.recent, work.total]) {
      figures.addBatch(rows, reason);
      figures.ofModel(model).addBatch(rows, reason);
    }
  }

  /** Writes new figures; those that could not be written are sent with the next. */
  async send(write: (report: WorkReport) => Promise<void>): Promise<void> {
    const buckets = this.take();
    const totals = new Map([...this.works.values()].map((work) => [work.queue, work.total]));
    try {
      await write({ buckets, totals });
    } catch (error) {
      this.putBack(buckets);
      throw error;
    }
  }

  private take(): WorkReport['buckets'] {
    const taken = this.unsent;
    this.unsent = [];
    for (const work of this.works.values()) {
      if (!work.changed) continue;
      work.changed = false;
      taken.push({ queue: work.queue, bucket: work.bucket, figures: work.recent });
    }
    return taken;
  }

  private putBack(buckets: WorkReport['buckets']): void {
    // Buckets too old to be read are not kept through a long outage.
    const oldest = bucketAt(this.clock.now()) - STATS_BUCKETS;
    for (const one of buckets) {
      const work = this.works.get(one.queue);
      if (work?.recent === one.figures) work.changed = true;
      else if (one.bucket > oldest) this.unsent.push(one);
    }
  }

  private workOf(queue: string): QueueWork {
    const bucket = bucketAt(this.clock.now());
    let work = this.works.get(queue);
    if (work === undefined) {
      work = { queue, bucket, recent: new WorkFigures(), changed: true, total: new WorkFigures() };
      this.works.set(queue, work);
    } else if (work.bucket !== bucket) {
      if (work.changed) {
        this.unsent = this.unsent.filter((one) => one.bucket > bucket - STATS_BUCKETS);
        this.unsent.push({ queue, bucket: work.bucket, figures: work.recent });
      }
      work.bucket = bucket;
      work.recent = new WorkFigures();
    }
    work.changed = true;
    return work;
  }
}

function count(figures: WorkFigures, settlement: Exclude<Settlement, { kind: 'release' }>): void {
  const { kind, job } = settlement;
  figures.jobs[kind === 'retry' ? 'retried' : kind] += 1;
  if (kind === 'completed') figures.rows += job.spec.rows;
  else if (kind !== 'failed') return;
  else figures.addFailure(settlement.failure.code);
  const { meta } = settlement;
  // Without a device it never ran, and has no times.
  if (meta.device === '') return;
  figures.wait.add(meta.queueMs);
  if (meta.runMs !== null) figures.run.add(meta.runMs);
  figures.total.add(meta.totalMs);
}
