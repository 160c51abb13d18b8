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
 * All that a worker needs of one queue. Every implementation must pass
 * `test/support/consumer-conformance.ts`; in the one for Redis (`BullConsumer`), every call is one script
 * unless stated otherwise.
 */
export interface QueueConsumer {
  readonly queue: string;
  /** Whether the last `take` left jobs of its models waiting: if not, the next may sleep first. */
  readonly more: boolean;
  /** Whether it left them because there was no room for the next one. */
  readonly full: boolean;
  /**
   * Models whose jobs are taken from now on, in the form of `routesTo`; before the first call, all.
   * Interrupts a wait for work.
   */
  serve(routes: readonly string[]): void;
  /**
   * Takes jobs, most urgent first, until its room is full (a number: that many rows) or nothing is left. It
   * takes at least one job if one is waiting and a runner is idle; 128 jobs or 16 MB at most. With
   * `moreUrgentThan`, only jobs of a higher priority are taken. Delayed jobs that are due count as waiting.
   */
  take(room: number | TakeRoom, moreUrgentThan?: Priority): Promise<TakenJob[]>;
  /**
   * Waits on its own connection until work may have arrived, `timeoutMs` has passed or `signal` has fired.
   */
  waitForWork(timeoutMs: number, signal: AbortSignal): Promise<void>;
  /**
   * The same with a take behind it, which is sent with it: a worker that is woken has its jobs in the same round trip.
   * The room is that of the moment when the sleep begins, so it may only be for what can be held at any time. Jobs
   * that come although `signal` has fired are returned, too.
   */
  takeOnWake(room: TakeRoom, timeoutMs: number, signal: AbortSignal): Promise<TakenJob[]>;
  /**
   * Wakes another worker for the waiting jobs and updates `more`: for a worker that was woken but has no
   * room.
   */
  passOn(): Promise<void>;
  /**
   * Counts the jobs that wait for a worker that serves its models, with read-only commands; none in a paused
   * queue.
   */
  waiting(): Promise<number>;
  /** Jobs that takes have skipped, by route: of other models, or of a newer layout; read-only. */
  passedOver(): Promise<ReadonlyMap<string, number>>;
  /**
   * Ends holds. Fenced by the lock: returns `false` for a job that this worker no longer holds, whose outcome
   * is dropped. Safe to send again after a lost connection.
   * @throws SizeRefused when Redis will never accept outcomes of this size.
   */
  settle(settlements: Settlement[]): Promise<boolean[]>;
  /** Renews the locks of held jobs; returns those no longer held and those a client wants cancelled. */
  renew(jobs: TakenJob[]): Promise<{ lost: TakenJob[]; cancelled: TakenJob[] }>;
  /** Puts jobs whose lock expired back in their place, or fails them as poison; returns the ids of both. */
  recover(): Promise<{ requeued: string[]; poisoned: string[] }>;
  /**
   * Expires all jobs that were not started by their deadline, or only some of them once `stopped`; returns
   * their ids.
   */
  expireDue(stopped?: () => boolean): Promise<string[]>;
  /**
   * Maintains the index of jobs that wait for other models, unless another worker did so less than `paceMs`
   * ago.
   */
  reroute(paceMs?: number): Promise<void>;
  /**
   * Removes index entries of finished jobs whose record has expired, unless another worker has just done so;
   * returns how many.
   */
  sweepInTurn(stopped?: () => boolean): Promise<number>;
  /** Completes or undoes unfinished moves to this queue; returns how many there were. */
  settleArrivals(stopped?: () => boolean): Promise<number>;
  /** What is damaged in the queue; read-only, a few small commands. */
  damage(): Promise<QueueDamage>;
  close(): Promise<void>;
}

/**
 * What a worker exchanges with its deployment apart from jobs: one instance per worker, whatever its queues.
 */
export interface WorkerRegistry {
  /** The worker is starting; repeated every few seconds until it has started. */
  announceStart(worker: Omit<StartingWorker, 'id' | 'beatAt'>): Promise<void>;
  /** The worker is ready, or failed to start. */
  endStart(): Promise<void>;
  /** Writes its heartbeat. The record expires when the worker dies. */
  beat(record: WorkerRecord): Promise<void>;
  /** Writes its work figures for the statistics. */
  writeWork(report: WorkReport): Promise<void>;
  /** Unregisters it when it shuts down cleanly. */
  remove(): Promise<void>;
  /** A model was loaded: from now on, this version's signature defines valid input. */
  publishModel(signature: ModelSignature): Promise<void>;
  /** Writes missing names and settings of its queues, and missing signatures; existing ones are kept. */
  publishMissing(signatures: Iterable<ModelSignature>): Promise<void>;
  /** Watches whether the data still exists; each call of the returned function looks once. */
  watchData(onLoss: (loss: DataLoss) => void): () => Promise<void>;
  /** Removes entries of running or starting workers that died without unregistering. */
  forgetDead(): Promise<void>;
  /**
   * Takes or renews the lease on a GPU; returns its current holder. @param runs whether a process of this
   * host is alive
   */
  leaseGpu(lease: GpuLease, runs: (process: ProcessMark) => boolean): Promise<GpuLease>;
  /** Gives a lease back if it is still this worker's. */
  releaseGpu(lease: GpuLease): Promise<void>;
}

/** A worker's part in the history of its deployment, which one of the workers writes for all. */
export interface HistoryKeeper {
  /** The worker has sent its first heartbeat. */
  started(record: WorkerRecord): Promise<void>;
  /** Called every few seconds: records what is due, if it is this worker's turn. */
  look(): Promise<void>;
  /** The worker's heartbeat has been removed: records the last of it. */
  stop(): Promise<void>;
}

/** A worker's end of the control channel. */
export interface OrderInbox {
  /**
   * The next request, or undefined when none came for a while. Requests whose sender has stopped waiting are
   * skipped, so a worker that was suspended does not act on them.
   */
  next(): Promise<ControlRequest | undefined>;
  answer(request: ControlRequest, answer: Omit<ControlAnswer, 'worker'>): Promise<void>;
  /** Ends a pending `next`, which then fails. */
  close(): Promise<void>;
}
