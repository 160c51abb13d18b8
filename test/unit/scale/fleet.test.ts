import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { markOf, stillRuns } from '../../../src/lib/core/process-alive.js';
import type { Gpu } from '../../../src/lib/model/gpu-parse.js';
import type { GpuReport } from '../../../src/lib/model/gpus.js';
import type { WorkerRecord } from '../../../src/lib/queue/types.js';
import { GpuWatch } from '../../../src/lib/scale/gpu-watch.js';
import { chosenDevices, gpuSlots } from '../../../src/lib/scale/host-slots.js';
import { countPool, factsOf } from '../../../src/lib/scale/pool-counts.js';
import { type FleetOptions, ProcessFleet } from '../../../src/lib/scale/process-fleet.js';
import { type WorkerFile, WorkerFiles } from '../../../src/lib/scale/worker-files.js';

const gpu = (index: number, freeBytes = 0): Gpu => ({
  index,
  uuid: `GPU-${index}`,
  name: 'x',
  freeBytes,
  mig: [],
});
const ok = (...gpus: Gpu[]): GpuReport => ({ state: 'ok', gpus });

describe('GPU slots', () => {
  const devices = chosenDevices([gpu(0, 5), gpu(1, 9), gpu(2, 5)], 'all');
  it('are ordered by free memory, each GPU once before any twice', () => {
    expect(gpuSlots(devices, 1).map((slot) => slot.id)).toEqual(['GPU-1', 'GPU-0', 'GPU-2']);
    expect(
      gpuSlots(devices, 2)
        .map((slot) => [slot.id, slot.device])
        .slice(2, 4),
    ).toEqual([
      ['GPU-2', 'GPU-2'],
      ['GPU-1#2', 'GPU-1'],
    ]);
  });

  it('are limited to the named GPUs', () => {
    const gpus = [gpu(0), gpu(1)];
    expect(chosenDevices(gpus, 'none')).toEqual([]);
    expect(chosenDevices(gpus, ['1', 'GPU-1']).map((device) => device.uuid)).toEqual(['GPU-1']);
    expect(() => chosenDevices(gpus, ['7'])).toThrow(expect.objectContaining({ code: 'GPU_UNKNOWN' }));
  });
});

describe('a GPU', () => {
  it('is gone after two readings without it and back after one with it, and a silent driver changes nothing', async () => {
    const answers: GpuReport[] = [];
    const watch = new GpuWatch(async () => answers.shift() as GpuReport, 'all', ok(gpu(0), gpu(1)), 0, 10);
    let now = 0;
    const next = async (report: GpuReport) => {
      answers.push(report);
      now += 20;
      watch.touch(now);
      await watch.settled();
      return [watch.present.map((device) => device.gpu.index), watch.gone.map((device) => device.gpu.index)];
    };
    expect(await next(ok(gpu(1)))).toEqual([[0, 1], []]);
    expect(await next({ state: 'hung', gpus: [], reason: 'hung' })).toEqual([[0, 1], []]);
    expect(watch.blind).toBe('hung');
    expect(await next(ok(gpu(1)))).toEqual([[1], [0]]);
    expect(watch.blind).toBeUndefined();
    expect(await next(ok(gpu(0), gpu(1), gpu(2)))).toEqual([[0, 1, 2], []]);
    // Not asked again before its time.
    watch.touch(now + 1);
    expect(answers).toEqual([]);
  });
});

describe('pool counts', () => {
  const sample = (ended: [number, number][], busy: [string, number][], more: object = {}) => ({
    queues: [
      {
        waiting: 3,
        dueDelayed: 1,
        active: 2,
        oldestMs: 400,
        arrived: 10,
        ended: new Map(ended),
        paused: false,
      },
      {
        waiting: 5,
        dueDelayed: 0,
        active: 1,
        oldestMs: 900,
        arrived: 7,
        ended: new Map(),
        paused: true,
        ...more,
      },
    ],
    workers: busy.map(([id, busyMs]) => ({ id, busyMs })) as WorkerRecord[],
  });

  it('are sums that outlive buckets and workers', () => {
    const first = countPool(undefined, sample([[7, 100]], [['a', 5000]]));
    expect([first.ended, first.busySeconds]).toEqual([0, 0]);
    const second = countPool(
      first,
      sample(
        [
          [7, 110],
          [8, 4],
        ],
        [
          ['a', 6000],
          ['b', 500],
        ],
      ),
    );
    expect([second.ended, second.busySeconds]).toEqual([14, 1.5]);
    // Bucket 7 has expired, worker a has left, bucket 8 was flushed and rewritten.
    const third = countPool(second, sample([[8, 1]], [['b', 700]]));
    expect([third.ended, third.busySeconds]).toEqual([14, 1.7]);
    // Plain JSON, so that the next autoscaler can continue with it.
    expect(countPool(JSON.parse(JSON.stringify(second)), sample([[8, 6]], []))).toMatchObject({ ended: 16 });
  });

  it('of a paused queue need no worker', () => {
    const counts = countPool(undefined, sample([], []));
    expect(factsOf({ sample: sample([], []) }, counts, 5)).toEqual({
      at: 5,
      waiting: 3,
      dueDelayed: 1,
      active: 3,
      oldestMs: 400,
      arrived: 17,
      completed: 0,
      busySeconds: 0,
      paused: false,
    });
    expect(factsOf({ sample: sample([], [], { paused: false }) }, counts, 5)).toMatchObject({
      waiting: 8,
      oldestMs: 900,
    });
  });
});

describe('fleet processes', () => {
  let dir = '';
  let files: WorkerFiles;
  const children: ChildProcess[] = [];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'infer-fleet-'));
    files = new WorkerFiles(dir);
  });
  afterEach(() => {
    for (const child of children.splice(0)) {
      try {
        process.kill(-(child.pid as number), 'SIGKILL');
      } catch {
        // It has exited.
      }
    }
    rmSync(dir, { recursive: true, force: true });
  });

  const fleetOf = (more: Partial<FleetOptions> = {}) =>
    new ProcessFleet({
      files,
      launch: { redisUrl: 'redis://127.0.0.1:1', prefix: 'infer' },
      pool: 'p',
      queues: ['q'],
      workersPerGpu: 1,
      cpuSlots: 2,
      cpuThreads: 1,
      drainTimeoutMs: 1000,
      startTimeoutMs: 60_000,
      args: [],
      gpus: undefined,
      dryRun: false,
      ...more,
    });
  /** A process that stands in for a worker of the fleet. */
  const pose = async (name: string, script: string, more: Partial<WorkerFile> = {}): Promise<WorkerFile> => {
    const flag = join(dir, `${name}.up`);
    const child = spawn('sh', ['-c', `${script.replace('UP', `touch ${flag}`)}`], {
      detached: true,
      stdio: 'ignore',
    });
    children.push(child);
    await expect.poll(() => existsSync(flag)).toBe(true);
    const file: WorkerFile = {
      name,
      createdAt: Date.now(),
      process: markOf(child.pid as number),
      argv: [],
      queues: ['q'],
      gpu: null,
      log: files.logOf(name),
      pool: 'p',
      slot: 'cpu-1',
      readyAt: Date.now(),
      ...more,
    };
    writeFileSync(file.log, 'a line\nlast words\n');
    files.create(file);
    return file;
  };
  const OBEDIENT = 'UP; exec sleep 60';
  const STUBBORN = 'trap "" TERM; UP; while :; do sleep 1; done';
  const gone = (file: WorkerFile) =>
    expect.poll(() => stillRuns(file.process as never), { timeout: 15_000 }).toBe(false);
  const beatOf = (file: WorkerFile, more: Partial<WorkerRecord> = {}) =>
    ({
      pid: file.process?.pid,
      host: hostname(),
      startedAt: 1,
      state: 'ready',
      active: [],
      ...more,
    }) as WorkerRecord;
  const NONE = new Map<string, string>();

  it('are starting, ready, busy or draining; the last phase counts while Redis is unreachable', async () => {
    const fleet = fleetOf();
    const one = await pose('autoscaled-1', OBEDIENT, { readyAt: undefined });
    await pose('other', OBEDIENT, { pool: 'another' });
    const now = Date.now();
    const phase = (records: WorkerRecord[] | null) =>
      fleet.look(records, NONE, now).members.map((each) => each.phase);
    expect(phase([])).toEqual(['starting']);
    expect(phase(null)).toEqual(['starting']);
    // The same process id on another host is another process.
    expect(phase([beatOf(one, { host: 'elsewhere', active: [{}] as never })])).toEqual(['starting']);
    expect(phase([beatOf(one, { active: [{}] as never })])).toEqual(['busy']);
    expect(phase(null)).toEqual(['busy']);
    expect(phase([beatOf(one)])).toEqual(['ready']);
    fleet.drain('autoscaled-1');
    await gone(one);
    expect(fleet.look([], NONE, now)).toMatchObject({ members: [], failures: [] });
    expect(files.list().map((file) => file.name)).toEqual(['other']);
  });

  it('that run are adopted, dead ones forgotten, and reused pids left alone', async () => {
    const one = await pose('autoscaled-1', OBEDIENT);
    const two = await pose('autoscaled-2', OBEDIENT, { slot: 'cpu-2' });
    files.update('autoscaled-2', {
      process: { pid: two.process?.pid as number, birth: 'an-earlier-process' },
    });
    const fleet = fleetOf();
    // The stand-in was started with other flags than a worker of this fleet.
    expect(fleet.adopt()).toEqual({ same: [], other: ['autoscaled-1'] });
    expect(fleet.look([], NONE, Date.now()).members).toMatchObject([
      { id: 'autoscaled-1', adopted: true, slot: 'cpu-1' },
    ]);
    expect([stillRuns(one.process as never), stillRuns(two.process as never)]).toEqual([true, true]);
  });

  it('have their exit status taken from their own exit file, not that of a namesake', async () => {
    const one = await pose('autoscaled-1', OBEDIENT);
    const written = files.fileOf('autoscaled-1').replace(/json$/, 'exit');
    writeFileSync(written, JSON.stringify({ pid: (one.process?.pid as number) + 1, code: 69, at: 1 }));
    expect(files.exitOf(one)).toBeUndefined();
    writeFileSync(written, JSON.stringify({ pid: one.process?.pid, code: 66, at: 2 }));
    expect(files.exitOf(one)).toEqual({ pid: one.process?.pid, code: 66, at: 2 });
    files.remove('autoscaled-1');
    expect(existsSync(written)).toBe(false);
  });

  it('that die unexpectedly count as a failure of their slot, with the last log line', async () => {
    const fleet = fleetOf();
    const one = await pose('autoscaled-1', OBEDIENT);
    process.kill(one.process?.pid as number, 'SIGKILL');
    await gone(one);
    expect(fleet.look([], NONE, Date.now()).failures).toMatchObject([
      {
        slot: 'cpu-1',
        name: 'autoscaled-1',
        reason: expect.stringContaining('without a message'),
        lines: ['a line', 'last words'],
      },
    ]);
    expect(fleet.look([], NONE, Date.now()).failures).toEqual([]);
  });

  it('that were started here and die are named with their signal, even if they are looked at that moment', async () => {
    const fleet = fleetOf();
    const { pid } = (await fleet.start('cpu-1', Date.now())) as { pid: number };
    const mark = markOf(pid) as never;
    process.kill(pid, 'SIGKILL');
    // Without a turn of the event loop, in which Node.js would report the end.
    while (stillRuns(mark)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    const now = Date.now();
    expect(fleet.look([], NONE, now)).toMatchObject({ members: [{ pid, phase: 'starting' }], failures: [] });
    const seen: string[] = [];
    const failures = () => {
      seen.push(...fleet.look([], NONE, now).failures.map(({ reason }) => reason));
      return seen;
    };
    await expect.poll(failures).toEqual(['killed by SIGKILL']);
  });

  it('that do not stop are killed after their drain time, not earlier', async () => {
    const fleet = fleetOf();
    const one = await pose('autoscaled-1', STUBBORN);
    fleet.look([], NONE, Date.now());
    fleet.drain('autoscaled-1');
    fleet.look([], NONE, Date.now() + 10_000);
    expect(stillRuns(one.process as never)).toBe(true);
    fleet.look([], NONE, Date.now() + 20_000);
    await fleet.settled();
    await gone(one);
    expect(fleet.look([], NONE, Date.now()).failures).toEqual([]);
  });

  it('that never become ready, or are silent for a minute, have failed and are ended', async () => {
    const fleet = fleetOf();
    const late = await pose('autoscaled-1', OBEDIENT, { readyAt: undefined });
    const mute = await pose('autoscaled-2', OBEDIENT, { slot: 'cpu-2' });
    const now = Date.now();
    fleet.look([], NONE, now);
    // While Redis is unreachable every worker is silent.
    expect(fleet.look(null, NONE, now + 61_000).failures).toEqual([]);
    expect(fleet.look(null, NONE, now + 61_100).failures).toEqual([]);
    const failed = (at: number) =>
      fleet.look([], NONE, now + at).failures.map((one) => [one.name, one.reason]);
    expect(failed(61_500)).toEqual([['autoscaled-1', 'it was not ready within 1m 0s']]);
    expect(failed(61_600 + 60_000)).toEqual([['autoscaled-2', 'it was silent for 1m 0s']]);
    await fleet.settled();
    await Promise.all([gone(late), gone(mute)]);
    expect(fleet.look([], NONE, now + 130_000)).toMatchObject({ members: [], failures: [] });
  });

  it('on a GPU that disappears are drained and their slot removed; a hanging driver starts nothing', async () => {
    let report = ok(gpu(1));
    const watch = new GpuWatch(async () => report, 'all', ok(gpu(0), gpu(1)), 0, 0);
    const fleet = fleetOf({ gpus: watch });
    const one = await pose('autoscaled-1', OBEDIENT, { gpu: 'GPU-0', slot: 'GPU-0' });
    const look = async () => {
      const seen = fleet.look([], NONE, Date.now());
      await watch.settled();
      return seen;
    };
    expect((await look()).slots).toEqual(['GPU-0', 'GPU-1']);
    await look();
    const after = await look();
    expect([after.slots, after.troubles]).toMatchObject([['GPU-1'], [{ slot: 'GPU-0', state: 'gone' }]]);
    await gone(one);
    report = { state: 'hung', gpus: [], reason: 'no answer' };
    await look();
    const hung = await look();
    expect(hung.slots).toEqual([]);
    expect(hung.troubles).toContainEqual({
      slot: 'nvidia-smi',
      state: 'gone',
      reason: 'no answer; nothing is started on a GPU until it answers',
    });
  });

  it('are not touched by a dry run', async () => {
    const fleet = fleetOf({ dryRun: true });
    const one = await pose('autoscaled-1', OBEDIENT);
    fleet.adopt();
    fleet.drain('autoscaled-1');
    await fleet.start('cpu-2', Date.now());
    expect(files.list()).toEqual([one]);
    expect(stillRuns(one.process as never)).toBe(true);
  });
});
