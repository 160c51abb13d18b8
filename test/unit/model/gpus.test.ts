import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { devicesOf, findDevice, parseGpus, parseMigInstances } from '../../../src/lib/model/gpu-parse.js';
import { discoverGpus, gpusOf } from '../../../src/lib/model/gpus.js';
import { type PosingGpus, posingGpus, posingUuid } from '../../support/gpus.js';
import { processTable } from '../../support/process-table.js';

const fixture = (name: string) =>
  readFileSync(fileURLToPath(new URL(`nvidia-smi/${name}`, import.meta.url)), 'utf8');
const MIB = 1 << 20;
const A100 = 'GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f';
const SECOND = 'GPU-1f0d1c2b-8c1e-44d0-9a7e-1b2c3d4e5f60';

describe('parsing nvidia-smi output', () => {
  it('reads two GPUs from R550', () => {
    const { gpus, migEnabled } = parseGpus(fixture('r550-two-a100.csv'), true);
    expect(gpus).toEqual([
      {
        index: 0,
        uuid: A100,
        name: 'NVIDIA A100-SXM4-40GB',
        totalBytes: 40960 * MIB,
        usedBytes: 1234 * MIB,
        freeBytes: 39210 * MIB,
        utilisation: 0.07,
        mig: [],
      },
      expect.objectContaining({ index: 1, uuid: SECOND, usedBytes: 0, utilisation: 0 }),
    ]);
    expect(migEnabled).toBe(false);
  });

  it('reads R418, which has no MIG field and prints units regardless', () => {
    const { gpus } = parseGpus(fixture('r418-no-mig.csv'), false);
    expect(gpus).toMatchObject([
      { index: 0, name: 'Tesla V100-SXM2-16GB', freeBytes: 16120 * MIB, utilisation: 0 },
      { index: 1, usedBytes: 15000 * MIB, utilisation: 0.98 },
    ]);
  });

  it('treats [N/A] as unknown, not 0', () => {
    const [geforce] = parseGpus(fixture('r470-geforce.csv'), true).gpus;
    expect(geforce).toMatchObject({ freeBytes: 23756 * MIB });
    expect(geforce).not.toHaveProperty('utilisation');
    const [unified] = parseGpus(fixture('r580-unified-memory.csv'), true).gpus;
    expect(unified).toEqual({
      index: 0,
      uuid: 'GPU-2d1e4f50-7a8b-4c9d-8e0f-1a2b3c4d5e6f',
      name: 'NVIDIA GB10',
      utilisation: 0.03,
      mig: [],
    });
  });

  it('copes with warnings between lines, an unreadable GPU and a comma in a name', () => {
    const { gpus } = parseGpus(fixture('r535-warnings.csv'), true);
    expect(gpus.map((gpu) => [gpu.index, gpu.name])).toEqual([
      [0, 'NVIDIA H100 80GB HBM3'],
      [2, 'NVIDIA H100, special edition'],
    ]);
    expect(Object.keys(gpus[1] ?? {}).sort()).toEqual(['index', 'mig', 'name', 'uuid']);
  });

  it('reads MIG instances in the format of new and old drivers', () => {
    expect(parseGpus(fixture('r550-mig.csv'), true).migEnabled).toBe(true);
    expect(parseMigInstances(fixture('r550-mig.txt'))).toEqual(
      new Map([
        [
          A100,
          [
            { profile: '3g.20gb', uuid: 'MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f' },
            { profile: '1c.3g.20gb', uuid: 'MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb' },
          ],
        ],
      ]),
    );
    expect(parseMigInstances(fixture('r450-mig.txt')).get(A100)).toMatchObject([
      { uuid: `MIG-${A100}/1/0` },
      { uuid: `MIG-${A100}/2/0` },
    ]);
  });

  it.each(['', '\n', 'No devices were found\n', 'index, uuid\n', '0, GPU-\n', ', , , , , , ,\n'])(
    'finds nothing in %j',
    (text) => {
      expect(parseGpus(text, true).gpus).toEqual([]);
      expect(parseMigInstances(text).size).toBe(0);
    },
  );
});

describe('the device named by --gpu', () => {
  const gpus = parseGpus(fixture('r550-mig.csv'), true).gpus;
  for (const gpu of gpus) gpu.mig = parseMigInstances(fixture('r550-mig.txt')).get(gpu.uuid) ?? [];
  const first = 'MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f';
  it.each([
    ['1', SECOND],
    ['01', SECOND],
    [SECOND, SECOND],
    [SECOND.toUpperCase(), SECOND],
    ['GPU-1f0d', SECOND],
    ['MIG-cba6', 'MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb'],
    // A partitioned GPU can only be used by its parts.
    ['0', first],
    [A100, first],
    ['2', undefined],
    ['GPU-', undefined],
    ['MIG-c', undefined],
    ['GPU-ffff', undefined],
  ])('%s is %s', (wanted, uuid) => {
    expect(findDevice(gpus, wanted)?.uuid).toBe(uuid);
  });

  it('is one of the MIG instances, where a GPU has them', () => {
    expect(devicesOf(gpus).map((device) => device.uuid)).toEqual([
      first,
      'MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb',
      SECOND,
    ]);
  });
});

describe('running nvidia-smi', () => {
  const path = process.env.PATH;
  let dir = '';
  let posing: PosingGpus;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'infer-gpus-'));
    posing = posingGpus(dir);
    process.env.PATH = `${posing.dir}:${path}`;
  });
  afterEach(() => {
    process.env.PATH = path;
    rmSync(dir, { recursive: true, force: true });
  });

  it('reports the GPUs of the host, or one of them', async () => {
    posing.set([{ uuid: posingUuid(1), free: 1000 }, { uuid: posingUuid(2) }]);
    const report = await discoverGpus();
    expect(report).toMatchObject({ state: 'ok', gpus: [{ index: 0, freeBytes: 1000 * MIB }, { index: 1 }] });
    const one = await discoverGpus({ only: posingUuid(2) });
    expect(one.gpus.map((gpu) => gpu.uuid)).toEqual([posingUuid(2)]);
  });

  it('reports MIG instances', async () => {
    posing.answer(fixture('r550-mig.csv'), fixture('r550-mig.txt'));
    const { gpus } = await discoverGpus();
    expect(gpus.map((gpu) => gpu.mig.length)).toEqual([2, 0]);
  });

  it('distinguishes no GPU from no driver', async () => {
    expect(await discoverGpus()).toEqual({ state: 'ok', gpus: [] });
    process.env.PATH = '/nonexistent';
    const absent = await discoverGpus();
    expect(absent).toMatchObject({ state: 'absent', gpus: [] });
    expect(gpusOf(absent)).toEqual([]);
  });

  it.each([
    [
      9,
      "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.\n\n",
    ],
    [18, 'Failed to initialize NVML: Driver/library version mismatch\n'],
    [255, 'Failed to initialize NVML: Unknown Error\n'],
    [
      15,
      'Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.  Reboot the system to recover this GPU\n',
    ],
    [3, ''],
  ])('reports a driver that fails with %i', async (code, text) => {
    posing.say(text, code);
    const report = await discoverGpus();
    expect(report).toMatchObject({ state: 'failed', gpus: [] });
    expect(report.reason).toContain(text.slice(0, 40) || 'exit code 3');
    expect(() => gpusOf(report)).toThrow(expect.objectContaining({ code: 'GPU_DISCOVERY', exitCode: 69 }));
  });

  it('retries without the MIG field, which an old driver refuses', async () => {
    posing.old(fixture('r418-no-mig.csv'));
    const report = await discoverGpus();
    expect(report).toMatchObject({ state: 'ok', gpus: [{ index: 0 }, { index: 1, utilisation: 0.98 }] });
  });

  it('kills it with its children when it hangs, and reports that', async () => {
    posing.hang();
    const report = await discoverGpus({ timeoutMs: 300 });
    expect(report).toMatchObject({ state: 'hung', reason: expect.stringContaining('within 300 ms') });
    const left = () => processTable().filter((row) => row.text.includes(dir));
    await expect.poll(left).toEqual([]);
  });
});
