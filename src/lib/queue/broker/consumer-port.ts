import type { Priority } from '../../core/job.js';
import type { ProcessMark } from '../../core/process-alive.js';
import type { ModelSignature } from '../../model/signature.js';
import type { QueueDamage } from '../damage.js';
import type { DataLoss } from '../data-mark.js';
import type { StartingWorker } from '../starting.js';
import type { Settlement, TakenJob, TakeRoom, WorkerRecord } from '../types.js';
import type { WorkReport } from '../work-stats.js';
import type { ControlAnswer, ControlRequest } from './control.js';
import type { GpuLease } from './gpu-lease.js';

/**
 * All that a worker needs of one queue. Any implementation passes `test/support/consumer-conformance.ts`; that of
 * Redis (`BullConsumer`) makes every call one script unless said otherwise.
 */
export interface QueueConsumer {
  readonly queue: string;
  /** Whether the last `take` left jobs of its models waiting: if not, the next may sleep first. */
  readonly more: boolean;
  /** Whether it left them since there was no room for the next of them. */
  readonly full: boolean;
  /** Models that jobs are taken of from now on, as `routesTo` words them; until it is called, all. Ends a wait for work. */
  serve(routes: readonly string[]): void;
  /**
   * Takes jobs, most urgent first, until its room is full (a number: so many rows) or nothing is left (at least one
   * job if there is one and a runner is idle; 128 jobs or 16 MB at most). With `moreUrgentThan`, only jobs of a higher
   * priority are taken. Delayed jobs that are due are among those that wait.
   */
  take(room: number | TakeRoom, moreUrgentThan?: Priority): Promise<TakenJob[]>;
  /** Waits on its own connection until work may have come, `timeoutMs` passed or `signal` fired. */
  waitForWork(timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** Wakes another worker for what waits, and notes in `more` whether anything does: for one that was woken and has no room. */
  passOn(): Promise<void>;
  /** Jobs that wait for a worker that serves its models, by read-only commands; those of a paused queue wait for no one. */
  waiting(): Promise<number>;
  /** Jobs that takes have passed over, by their route: of other models, or of a newer layout; reads only. */
  passedOver(): Promise<ReadonlyMap<string, number>>;
  /**
   * Ends holds. Fenced by the lock: answers `false` for a job that is no longer ours, whose
   * outcome is dropped. Safe to send again after a lost connection.
   * @throws SizeRefused when outcomes of this size will never be taken.
   */
  settle(settlements: Settlement[]): Promise<boolean[]>;
  /** Renews the locks of held jobs; answers those no longer ours and those a client wants cancelled. */
  renew(jobs: TakenJob[]): Promise<{ lost: TakenJob[]; cancelled: TakenJob[] }>;
  /** Puts jobs whose lock lapsed back in their place, or fails them as poison; answers the ids of both. */
  recover(): Promise<{ requeued: string[]; poisoned: string[] }>;
  /** Ends all jobs that were not started by their deadline, or some once `stopped`; answers their ids. */
  expireDue(stopped?: () => boolean): Promise<string[]>;
  /** Looks after jobs that wait for other models, unless another worker did so less than `paceMs` ago. */
  reroute(paceMs?: number): Promise<void>;
  /** Drops index entries of finished jobs whose record has expired, unless another worker has just done it; answers how many. */
  sweepInTurn(stopped?: () => boolean): Promise<number>;
  /** Ends moves to this queue that were left half done; answers how many there were. */
  settleArrivals(stopped?: () => boolean): Promise<number>;
  /** What is damaged of the queue; reads only, some small commands. */
  damage(): Promise<QueueDamage>;
  close(): Promise<void>;
}

/** What a worker tells its deployment and hears from it, beside its jobs: one for a worker, whatever its queues. */
export interface WorkerRegistry {
  /** It starts; again every few seconds while it does. */
  announceStart(worker: Omit<StartingWorker, 'id' | 'beatAt'>): Promise<void>;
  /** It is ready, or does not start. */
  endStart(): Promise<void>;
  /** Its heartbeat. The record expires by itself when the worker dies. */
  beat(record: WorkerRecord): Promise<void>;
  /** What it did, for the statistics. */
  writeWork(report: WorkReport): Promise<void>;
  /** Takes it off the register at its orderly end. */
  remove(): Promise<void>;
  /** A model was loaded: what it takes is from now on what this version takes. */
  publishModel(signature: ModelSignature): Promise<void>;
  /** Writes what is missing of names and settings of its queues and of signatures; what is there stays. */
  publishMissing(signatures: Iterable<ModelSignature>): Promise<void>;
  /** Watches whether the data is still there; each call of the answer looks once. */
  watchData(onLoss: (loss: DataLoss) => void): () => Promise<void>;
  /** Drops entries of workers that died, running or starting, without leaving. */
  forgetDead(): Promise<void>;
  /** Takes or renews the lease on a GPU; answers who holds it now. @param runs whether a process of this host lives */
  leaseGpu(lease: GpuLease, runs: (process: ProcessMark) => boolean): Promise<GpuLease>;
  /** Gives a lease back if it is still this worker's. */
  releaseGpu(lease: GpuLease): Promise<void>;
}

/** A worker's end of the control channel. */
export interface OrderInbox {
  /**
   * The next request, or undefined when none came for a while. A request whose sender has given up is
   * not among them, so a worker that was asleep does not act on it.
   */
  next(): Promise<ControlRequest | undefined>;
  answer(request: ControlRequest, answer: Omit<ControlAnswer, 'worker'>): Promise<void>;
  /** Ends a pending `next`, which then fails. */
  close(): Promise<void>;
}
