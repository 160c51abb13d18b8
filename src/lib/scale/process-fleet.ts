import { isDeepStrictEqual } from 'node:util';
import { settledWithin } from '../core/bounded.js';
import { messageOf } from '../core/errors.js';
import { THRESHOLDS } from '../core/thresholds.js';
import { formatDuration } from '../core/units.js';
import type { WorkerRecord } from '../queue/types.js';
import type { GpuWatch } from './gpu-watch.js';
import { cpuSlots, deviceOf, gpuSlots, type Slot } from './host-slots.js';
import { phaseOf, type WorkerPhase, type WorkerView } from './observation.js';
import { type ProcessEnd, spawnWorker, type WorkerLaunch } from './spawn-worker.js';
import type { WorkerFile, WorkerFiles } from './worker-files.js';
import { askToDrain, endingOf, endWorker, handBackNow, stateOf } from './worker-process.js';

/** After its drain time a worker requeues its jobs itself; this is a little later. */
const AFTER_DRAIN_MS = 10_000;
/** A worker that was ready and is running, but sends no heartbeat while others do, is hung. */
const SILENT_MS = THRESHOLDS.workerHung.value;

export interface FleetOptions {
  files: WorkerFiles;
  launch: WorkerLaunch;
  /** The pool's key: its workers are those with this key in their pid files. */
  pool: string;
  queues: readonly string[];
  workersPerGpu: number;
  /** Slots on a host without GPUs. */
  cpuSlots: number;
  /** CPU threads of a worker without GPU; undefined: chosen by the worker. */
  cpuThreads: number | undefined;
  drainTimeoutMs: number;
  /** A start that takes longer has failed. */
  startTimeoutMs: number;
  /** Additional arguments of `infer worker`. */
  args: readonly string[];
  /** Undefined if no GPU is to be used. */
  gpus: GpuWatch | undefined;
  /** Looks but changes nothing. */
  dryRun: boolean;
}

/** Existing workers, by name: those whose flags match the current ones, and others. */
export interface Adopted {
  same: string[];
  other: string[];
}

/** A worker of the fleet, with details for display. */
export interface FleetMember extends WorkerView {
  slot: string;
  pid: number | null;
  gpu: string | null;
  adopted: boolean;
  /** Since when it is in its phase, ms since the epoch. */
  since: number;
}

export interface Trouble {
  slot: string;
  state: 'in use' | 'gone';
  reason: string;
}

/** The result of checking the fleet. */
export interface FleetLook {
  members: FleetMember[];
  /** Slots, including those in use, in the order in which to use them. */
  slots: string[];
  /** Workers that did not start, or exited unexpectedly, since the last look. */
  failures: { slot: string; name: string; reason: string; lines: string[] }[];
  troubles: Trouble[];
}

/**
 * The worker processes of one pool on this host. Their pid files are authoritative: whatever process they
 * name and is still running belongs to the fleet, no matter what started it, so that a new autoscaler can
 * take over.
 */
export class ProcessFleet {
  /** How processes started by this one ended, by pid. */
  private readonly ends = new Map<number, ProcessEnd>();
  /** Processes started by this one whose end Node.js has not reported yet. */
  private readonly own = new Set<number>();
  private readonly phases = new Map<string, { phase: WorkerPhase; since: number }>();
  private readonly silentSince = new Map<string, number>();
  private readonly endings = new Map<string, Promise<unknown>>();
  private failures: FleetLook['failures'] = [];

  constructor(private readonly options: FleetOptions) {}

  /** Takes over what an earlier autoscaler of this pool left. */
  adopt(): Adopted {
    const { files, dryRun } = this.options;
    const adopted: Adopted = { same: [], other: [] };
    for (const file of this.files()) {
      if (stateOf(file) === 'dead') {
        if (!dryRun) files.remove(file.name);
        continue;
      }
      if (!dryRun) files.update(file.name, { adopted: true });
      adopted[this.isCurrent(file) ? 'same' : 'other'].push(file.name);
    }
    return adopted;
  }

  /**
   * Checks every process. Cleans up after dead ones, ends those that drain too long, hang or never become
   * ready, and drains those whose GPU was lost.
   * @param records heartbeats; null when Redis cannot be read: then the last known phase counts.
   * @param holders workers outside this fleet that hold a GPU, by its UUID.
   */
  look(
    records: readonly WorkerRecord[] | null,
    holders: ReadonlyMap<string, string>,
    now: number,
  ): FleetLook {
    this.options.gpus?.touch(now);
    const members = this.files().flatMap((file) => this.member(file, records, now) ?? []);
    const gone = new Set(this.options.gpus?.gone.map((device) => device.uuid));
    for (const member of members) {
      if (member.gpu !== null && gone.has(member.gpu)) this.drain(member.id);
    }
    for (const known of this.phases.keys()) {
      if (!members.some((member) => member.id === known)) this.phases.delete(known);
    }
    const failures = this.failures;
    this.failures = [];
    return { members, failures, ...this.slots(members, holders) };
  }

  /** Starts a worker in a slot; if it cannot be started, the next look reports a failure. */
  async start(slot: string, now: number): Promise<FleetMember | undefined> {
    if (this.options.dryRun) return undefined;
    let file: WorkerFile | undefined;
    try {
      file = this.create(slot, now);
      const { pid, ended } = await spawnWorker(this.options.files, file, this.options.launch);
      this.own.add(pid);
      void ended.then((end) => {
        this.own.delete(pid);
        this.ends.set(pid, end);
      });
      const { name: id, gpu } = file;
      const begins = { startedAt: now, readyAt: null, since: now, adopted: false };
      return { id, phase: 'starting', slot, pid, gpu, ...begins };
    } catch (error) {
      // A full disk, or a machine that cannot start another process.
      if (file !== undefined) this.options.files.remove(file.name);
      this.failures.push({ slot, name: file?.name ?? 'a worker', reason: messageOf(error), lines: [] });
      return undefined;
    }
  }

  /** Lets a worker finish its jobs and exit. */
  drain(name: string): void {
    const file = this.options.files.read(name);
    if (file !== undefined && file.drainingSince === undefined && !this.options.dryRun) {
      askToDrain(this.options.files, file);
    }
  }

  /** Ends the whole fleet: jobs may finish within the drain time and are then requeued. */
  async drainAll(signal: AbortSignal): Promise<void> {
    const { files, drainTimeoutMs } = this.options;
    await Promise.all(
      this.files().map(async (file) => {
        const drained = endWorker(files, file, drainTimeoutMs + AFTER_DRAIN_MS);
        await settledWithin(Number.POSITIVE_INFINITY, drained, signal);
        if (signal.aborted && file.process !== undefined) await handBackNow(file.process);
        await drained;
        files.remove(file.name);
      }),
    );
  }

  /** Whether a worker has the flags that a new one would get. */
  hasCurrentFlags(name: string): boolean {
    const file = this.options.files.read(name);
    return file !== undefined && this.isCurrent(file);
  }

  /** Process ids of the fleet, including those that have just ended. */
  pids(): number[] {
    return this.files().flatMap((file) => file.process?.pid ?? []);
  }

  /** Waits until no worker is being ended in the background. */
  async settled(): Promise<void> {
    await Promise.all([...this.endings.values(), this.options.gpus?.settled()]);
  }

  private files(): WorkerFile[] {
    return this.options.files.list().filter((file) => file.pool === this.options.pool);
  }

  private member(
    file: WorkerFile,
    records: readonly WorkerRecord[] | null,
    now: number,
  ): FleetMember | undefined {
    const { name } = file;
    const state = stateOf(file, now);
    const pid = file.process?.pid ?? null;
    // How its own process ended is known a turn of the event loop after it is gone: until then it counts.
    if (state === 'dead' && (pid === null || !this.own.has(pid))) {
      this.bury(file);
      return undefined;
    }
    const beat = records?.find((one) => one.pid === pid && one.host === this.options.files.host);
    // A heartbeat has Redis's times, everything else here those of this host.
    const begun = beat === undefined ? null : beat.startedAt + (beat.clockAheadMs ?? 0);
    const readyAt = file.readyAt ?? begun;
    const phase = this.phaseOf(file, beat, records === null);
    const before = this.phases.get(name);
    const since = before?.phase === phase ? before.since : phase === 'starting' ? file.createdAt : now;
    this.phases.set(name, { phase, since });
    if (records === null) this.silentSince.delete(name);
    else this.watch(file, readyAt, beat === undefined, now);
    const slot = file.slot ?? '';
    return {
      id: name,
      phase,
      startedAt: file.createdAt,
      readyAt,
      slot,
      pid,
      gpu: file.gpu,
      adopted: file.adopted === true,
      since,
    };
  }

  private phaseOf(file: WorkerFile, beat: WorkerRecord | undefined, blind: boolean): WorkerPhase {
    if (file.drainingSince !== undefined) return 'draining';
    if (beat !== undefined) return phaseOf(beat);
    const last = this.phases.get(file.name)?.phase;
    if (blind && last !== undefined) return last;
    return file.readyAt === undefined ? 'starting' : 'ready';
  }

  /**
   * Ends workers that do not end, or start, on their own; not while Redis is unreachable, when none can
   * start.
   */
  private watch(file: WorkerFile, readyAt: number | null, silent: boolean, now: number): void {
    const { drainTimeoutMs, startTimeoutMs } = this.options;
    if (file.drainingSince !== undefined) {
      if (now - file.drainingSince > drainTimeoutMs + AFTER_DRAIN_MS) this.end(file, undefined);
      return;
    }
    if (readyAt === null) {
      const late = now - file.createdAt > startTimeoutMs;
      if (late) this.end(file, `it was not ready within ${formatDuration(startTimeoutMs)}`);
      return;
    }
    if (!silent) this.silentSince.delete(file.name);
    const since = this.silentSince.get(file.name) ?? now;
    if (silent) this.silentSince.set(file.name, since);
    if (silent && now - since > SILENT_MS) this.end(file, `it was silent for ${formatDuration(SILENT_MS)}`);
  }

  /** In the background: a tick must not wait for a process. */
  private end(file: WorkerFile, reason: string | undefined): void {
    if (this.options.dryRun || this.endings.has(file.name) || file.process === undefined) return;
    if (reason !== undefined) {
      this.failures.push({
        slot: file.slot ?? '',
        name: file.name,
        reason,
        lines: endingOf(this.options.files, file).lines,
      });
    }
    askToDrain(this.options.files, file);
    const ended = handBackNow(file.process).finally(() => this.endings.delete(file.name));
    this.endings.set(file.name, ended);
  }

  /** Handles a process that has ended: as expected, or as a failure of its slot. */
  private bury(file: WorkerFile): void {
    const { files, dryRun } = this.options;
    if (dryRun) return;
    const ending = endingOf(files, file, this.ends.get(file.process?.pid ?? 0));
    this.ends.delete(file.process?.pid ?? 0);
    this.silentSince.delete(file.name);
    files.remove(file.name);
    // A worker that was ordered to stop, by us or by its operator, has not failed.
    if (file.drainingSince !== undefined || ending.reason === 'exit code 0') return;
    this.failures.push({ slot: file.slot ?? '', name: file.name, ...ending });
  }

  private slots(
    members: readonly FleetMember[],
    holders: ReadonlyMap<string, string>,
  ): Pick<FleetLook, 'slots' | 'troubles'> {
    const { gpus, workersPerGpu } = this.options;
    if (gpus === undefined)
      return { slots: cpuSlots(this.options.cpuSlots).map((slot) => slot.id), troubles: [] };
    const troubles: Trouble[] = gpus.gone.map(({ uuid }) => ({
      slot: uuid,
      state: 'gone',
      reason: 'nvidia-smi no longer lists it',
    }));
    if (gpus.blind !== undefined) {
      const reason = `${gpus.blind}; nothing is started on a GPU until it answers`;
      troubles.push({ slot: 'nvidia-smi', state: 'gone', reason });
    }
    const used = new Set(members.map((member) => member.slot));
    const slots = gpuSlots(gpus.present, workersPerGpu).filter((slot: Slot) => {
      const holder = slot.device === null ? undefined : holders.get(slot.device);
      if (used.has(slot.id)) return true;
      // While the driver does not answer, a newly started worker would hang as well.
      if (gpus.blind !== undefined) return false;
      if (holder === undefined || workersPerGpu > 1) return true;
      troubles.push({ slot: slot.id, state: 'in use', reason: `by worker ${holder}` });
      return false;
    });
    return { slots: slots.map((slot) => slot.id), troubles };
  }

  /** Creates the pid file, with the first number that is free on this host. */
  private create(slot: string, now: number): WorkerFile {
    const { files, pool, queues } = this.options;
    const gpu = deviceOf(slot);
    for (let n = 1; ; n++) {
      const name = `autoscaled-${n}`;
      const argv = this.argvOf(name, gpu);
      const log = files.logOf(name);
      const file: WorkerFile = { name, createdAt: now, argv, queues, gpu, log, pool, slot };
      if (files.create(file)) return file;
    }
  }

  private isCurrent({ argv, name, gpu }: WorkerFile): boolean {
    return isDeepStrictEqual(argv, this.argvOf(name, gpu));
  }

  /** Arguments of `infer worker`. */
  private argvOf(name: string, gpu: string | null): string[] {
    const { files, queues, workersPerGpu, cpuThreads, drainTimeoutMs, args } = this.options;
    return [
      ...['--name', `${name}@${files.host}`, '-Q', queues.join(',')],
      ...['--drain-timeout', `${drainTimeoutMs}ms`],
      ...(gpu === null ? [] : ['--gpu', gpu, ...(workersPerGpu > 1 ? ['--share-gpu'] : [])]),
      ...(gpu === null && cpuThreads !== undefined ? ['--threads', String(cpuThreads)] : []),
      ...args,
    ];
  }
}
