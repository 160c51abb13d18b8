import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { nothingToStop } from '../../../src/lib/cli/views/workers-view.js';
import { workerGroups } from '../../../src/lib/config/worker-groups.js';
import type { Gpu } from '../../../src/lib/model/gpu-parse.js';
import { chooseWorkers } from '../../../src/lib/scale/choose-workers.js';
import { groupsOf, ranBefore } from '../../../src/lib/scale/start-detached.js';
import { type WorkerFile, WorkerFiles } from '../../../src/lib/scale/worker-files.js';
import { wishesOf } from '../../../src/lib/scale/worker-wishes.js';

const gpu = (index: number, mig: string[] = []): Gpu => ({
  index,
  uuid: `GPU-${index}`,
  name: 'x',
  mig: mig.map((uuid) => ({ uuid, profile: '1g.5gb' })),
});
const facts = {
  host: 'h',
  queues: ['realtime', 'batch'],
  cores: 9,
  gpus: [gpu(0), gpu(1, ['MIG-a', 'MIG-b'])],
  threadsGiven: false,
  runners: 1,
};

describe('a group of workers', () => {
  it('expands to one, several, or one for each GPU and MIG instance', () => {
    expect(wishesOf([{ name: 'one' }], facts)).toEqual([
      {
        name: 'one',
        queues: ['realtime', 'batch'],
        gpu: null,
        argv: ['--name', 'one@h', '-Q', 'realtime,batch'],
      },
    ]);
    const rt = wishesOf([{ name: 'rt', queues: ['rt'], count: 2, args: ['--burst'] }], facts);
    expect(rt.map((wish) => wish.name)).toEqual(['rt-1', 'rt-2']);
    // The cores are divided: eight of nine over two.
    expect(rt[1]?.argv).toEqual(['--name', 'rt-2@h', '-Q', 'rt', '--threads', '4', '--burst']);
    const each = wishesOf([{ name: 'w', perGpu: true }], facts);
    expect(each.map((wish) => [wish.name, wish.gpu])).toEqual([
      ['w-gpu0', 'GPU-0'],
      ['w-gpu1-mig0', 'MIG-a'],
      ['w-gpu1-mig1', 'MIG-b'],
    ]);
    expect(each[0]?.argv).toEqual(['--name', 'w-gpu0@h', '-Q', 'realtime,batch', '--gpu', 'GPU-0']);
    const two = wishesOf([{ name: 'w', perGpu: true, count: 2 }], facts);
    expect(two.map((wish) => wish.name).slice(0, 2)).toEqual(['w-gpu0-1', 'w-gpu0-2']);
    expect(two.every((wish) => wish.argv.includes('--share-gpu'))).toBe(true);
  });

  it('keeps the thread counts that are given', () => {
    const group = { name: 'w', count: 2 };
    const threads = (more: object, args?: string[]) =>
      wishesOf([args === undefined ? group : { ...group, args }], { ...facts, ...more })[0]?.argv.join(' ');
    expect(threads({ threadsGiven: true })).not.toContain('--threads');
    expect(threads({}, ['--threads=3'])).toMatch(/ batch --threads=3$|realtime,batch --threads=3$/);
    expect(threads({ cores: 2 })).toContain('--threads 1');
  });

  it.each([
    ['4', [], {}],
    ['2', ['-c', '2'], {}],
    ['2', ['--concurrency=2', '--burst'], {}],
    ['1', ['--autoscale', '4,1'], {}],
    ['2', ['--autoscale=2,1'], { runners: 4 }],
    ['2', [], { runners: 2 }],
    ['1', ['-c', '99'], {}],
    ['4', ['-c', 'many'], {}],
    ['2', ['-c', '4', '-c', '2'], {}],
  ])('of two with %j %j gets %s threads each: its cores are shared by the runners', (threads, args, more) => {
    const [wish] = wishesOf([{ name: 'w', count: 2, args }], { ...facts, ...more });
    const argv = wish?.argv ?? [];
    expect(argv[argv.indexOf('--threads') + 1]).toBe(threads);
  });

  it.each([
    ['two on one GPU', [{ name: 'w', gpu: '0', count: 2 }], 'USAGE'],
    ['a GPU and all GPUs', [{ name: 'w', gpu: '0', perGpu: true }], 'USAGE'],
    ['one name twice', [{ name: 'w-1' }, { name: 'w', count: 2 }], 'USAGE'],
    ['too many', [{ name: 'w', count: 256 }, { name: 'v' }], 'USAGE'],
    ['a name that is no file name', [{ name: '../w' }], 'WORKER_NAME'],
  ])('is rejected: %s', (_, groups, code) => {
    expect(() => wishesOf(groups, facts)).toThrow(expect.objectContaining({ code, exitCode: 2 }));
  });

  it('may share a GPU with --share-gpu', () => {
    const wishes = wishesOf([{ name: 'w', gpu: '0', count: 2, args: ['--share-gpu'] }], facts);
    expect(wishes.map((wish) => wish.gpu)).toEqual(['0', '0']);
  });

  it('with one worker per GPU is rejected where there is none', () => {
    expect(() => wishesOf([{ name: 'w', perGpu: true }], { ...facts, gpus: [] })).toThrow(
      expect.objectContaining({ code: 'NO_GPU', exitCode: 69 }),
    );
  });
});

describe('the setting `workers`', () => {
  const { read } = workerGroups();
  it('reads the same from a file and from a variable', () => {
    const groups = [
      { name: 'gpu', queues: ['rt'], perGpu: true },
      { name: 'x', gpu: 1, count: 3, args: ['--burst'] },
    ];
    expect(read(groups)).toEqual([groups[0], { ...groups[1], gpu: '1' }]);
    expect(read(JSON.stringify(groups))).toEqual(read(groups));
  });

  it.each([
    '{',
    '{}',
    [{}],
    [{ name: '' }],
    [{ name: 'a b' }],
    [{ name: 'a' }, { name: 'a' }],
    [{ name: 'a', count: 0 }],
    [{ name: 'a', count: 1.5 }],
    [{ name: 'a', queue: 'rt' }],
    [{ name: 'a', queues: 'rt' }],
    [{ name: 'a', queues: ['r t'] }],
    [{ name: 'a', args: [1] }],
    [null],
  ])('rejects %j', (raw) => {
    expect(read(raw)).toBeUndefined();
  });

  it('is what is started without flags', () => {
    const none = { names: [], perGpu: false, args: [] };
    const configured = [{ name: 'a', args: ['--burst'] }, { name: 'b' }];
    expect(groupsOf({ ...none, args: ['-v'] }, configured)).toEqual([
      { name: 'a', args: ['--burst', '-v'] },
      { name: 'b', args: ['-v'] },
    ]);
    expect(groupsOf({ ...none, names: ['b'] }, configured)).toMatchObject([{ name: 'b' }]);
    expect(groupsOf({ ...none, count: 2 }, configured)).toMatchObject([{ name: 'worker', count: 2 }]);
    expect(groupsOf(none, undefined)).toMatchObject([{ name: 'worker' }]);
    expect(() => groupsOf({ ...none, names: ['c'] }, configured)).toThrow(/no workers named 'c'/);
    expect(() => groupsOf({ ...none, names: ['a'], count: 2 }, configured)).toThrow(/names mean/);
  });
});

const file = (name: string, pool?: string) => ({
  name,
  pool,
  createdAt: 0,
  argv: [],
  queues: [],
  gpu: null,
  log: '',
});

describe('selecting workers by name', () => {
  const all = [
    file('rt-1'),
    file('rt-gpu0'),
    file('rt-gpu1-mig0-2'),
    file('rt-extra'),
    file('rt'),
    file('autoscaled-1', 'p'),
  ];
  it.each([
    [[], ['rt-1', 'rt-gpu0', 'rt-gpu1-mig0-2', 'rt-extra', 'rt']],
    [['rt'], ['rt-1', 'rt-gpu0', 'rt-gpu1-mig0-2', 'rt']],
    [
      ['rt-1@h', 'rt-extra'],
      ['rt-1', 'rt-extra'],
    ],
    [['autoscaled'], ['autoscaled-1']],
    [['rt-1@other', 'r'], []],
  ])('finds the workers of %j', (names, chosen) => {
    expect(chooseWorkers(all, names, 'h').map((one) => one.name)).toEqual(chosen);
  });
});

describe('the message when there is nothing to stop', () => {
  it.each([
    [[], [], 'no background worker runs on this host'],
    [['rt'], [], 'rt does not run on this host'],
    [
      [],
      [file('w', 'p'), file('w', 'p')],
      /^only 2 workers of autoscalers: infer workers stop autoscaled \(or --all\)/,
    ],
  ])('suits %j among %j', (names, all, said) => {
    expect(nothingToStop(names, all)).toMatch(said);
  });
});

describe('a worker that ran before', () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'infer-before-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const files = new WorkerFiles(dir);
  const file: WorkerFile = {
    name: 'rt-1',
    createdAt: 1,
    argv: ['-Q', 'rt'],
    queues: ['rt'],
    gpu: null,
    log: '',
  };
  files.create(file);
  const none = { names: ['rt'], perGpu: false, args: [] };

  it('is started with the flags it had', () => {
    const { flags, again } = ranBefore(none, undefined, files);
    expect([flags.names, again.map(({ name, argv }) => [name, argv])]).toEqual([
      [],
      [['rt-1', ['-Q', 'rt']]],
    ]);
    // A name from the configuration refers to it.
    expect(ranBefore(none, [{ name: 'rt' }], files).again).toEqual([]);
  });

  it.each([
    [{ queues: ['batch'] }, '-Q'],
    [{ count: 4 }, '--count'],
    [{ name: 'other' }, '--name'],
    [{ gpu: '0' }, '--gpu'],
    [{ perGpu: true }, '--per-gpu'],
    [{ args: ['--burst'] }, 'what follows --'],
    [{ queues: ['batch'], count: 4 }, '-Q, --count'],
  ])('is rejected along with %j', (more, named) => {
    const starting = () => ranBefore({ ...none, ...more }, undefined, files);
    expect(starting).toThrow(`rt ran before and is started with the flags it had: ${named} would not count`);
  });
});
