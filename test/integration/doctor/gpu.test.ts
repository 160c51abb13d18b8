import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { emptyDir, examine } from './doctor-kit.js';

/** Only Linux on x64 has a CUDA build; elsewhere the checks say only that. */
const onLinux = process.platform === 'linux' && process.arch === 'x64';
const dir = emptyDir();
const LIBRARIES = [
  'libcudart.so.12',
  'libcublas.so.12',
  'libcublasLt.so.12',
  'libcufft.so.11',
  'libcurand.so.10',
  'libcudnn.so.9',
];
const PROVIDERS = ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'];
const GOOD_CARD = "echo '0, GPU-1234, 81559, 1559, 80000, 0, Disabled, 550.54.15, NVIDIA H100 80GB HBM3'";
let machines = 0;

interface Parts {
  /** Shell script used as nvidia-smi; none when undefined. */
  smi?: string;
  libraries?: readonly string[];
  providers?: readonly string[];
}

/** A machine with these parts: programs on its own PATH, libraries in its loader's path. */
function machine({ smi, libraries = LIBRARIES, providers = PROVIDERS }: Parts) {
  const root = join(dir, String(++machines));
  const [bin, lib, onnx] = ['bin', 'lib', 'onnx'].map((name) => join(root, name)) as [string, string, string];
  for (const one of [bin, lib, onnx]) mkdirSync(one, { recursive: true });
  if (smi !== undefined) {
    writeFileSync(join(bin, 'nvidia-smi'), `#!/bin/sh\n${smi}\n`);
    chmodSync(join(bin, 'nvidia-smi'), 0o755);
  }
  // Any loadable library can stand in for CUDA's.
  for (const name of libraries) copyFileSync(someLibrary(), join(lib, name));
  for (const name of providers) writeFileSync(join(onnx, name), '');
  // The scripts' shell is found by its path, `sleep` and `echo` in the usual places.
  const env = { PATH: `${bin}:/usr/bin:/bin`, LD_LIBRARY_PATH: lib };
  return { root, lib, machine: { root, env, onnxDir: onnx } };
}

function someLibrary(): string {
  const path = /\s(\/\S*libm\.so\.6)$/m.exec(readFileSync('/proc/self/maps', 'utf8'))?.[1];
  if (path === undefined) throw new Error('this process has not loaded libm');
  return path;
}

const look = (parts: Parts, named: readonly string[] = ['gpu'], env: Record<string, string> = {}) =>
  examine(env, named, { machine: machine(parts).machine });

describe.runIf(onLinux)('the doctor on the NVIDIA driver', () => {
  it('skips it where it is missing and no GPU is wanted', async () => {
    const { of, verdict } = await look({}, []);
    expect(of('gpu-driver')).toMatchObject({
      status: 'skip',
      found: expect.stringContaining('not on the PATH'),
    });
    expect(of('gpu-libraries')).toMatchObject({ status: 'skip', found: 'this host has no NVIDIA GPU' });
    expect(verdict.notReady.find(({ what }) => what.includes('GPU workers'))?.because).toBeDefined();
  });

  it.each([
    ['named', ['gpu'], {}],
    ['--gpu', [], { INFER_GPU: '0' }],
    ['required', [], { INFER_REQUIRE_GPU: '1' }],
  ])('fails it where it is missing and a GPU is wanted (%s)', async (_, named, env) => {
    const { of } = await look({}, named, env);
    expect(of('gpu-driver')).toMatchObject({ status: 'fail', blocks: ['GPU workers'] });
  });

  it('kills a hanging nvidia-smi and its children, and reports it within its limit', async () => {
    const { of, ms } = await look({ smi: 'sleep 60 & sleep 61' }, ['gpu-driver']);
    expect(of('gpu-driver')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('the driver hangs'),
    });
    expect(ms).toBeLessThan(30_000);
  });

  it.each([
    [
      'is too old',
      "echo '0, GPU-1, 11441, 441, 11000, 0, [N/A], 470.82.01, Tesla K80'",
      /driver 470.82.01 is too old: CUDA 12 needs 525/,
    ],
    [
      'was updated in use',
      "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18",
      /version mismatch/,
    ],
    [
      'cannot be talked to',
      'echo "NVIDIA-SMI has failed because it couldn\'t communicate with the NVIDIA driver."; exit 9',
      /couldn't communicate/,
    ],
    ['has no GPU', 'echo "No devices were found" >&2; exit 6', /No devices were found/],
    ['says nothing', 'exit 3', /it ended with exit code 3/],
  ])('fails a driver that %s', async (_, smi, found) => {
    const { of } = await look({ smi }, ['gpu-driver']);
    expect(of('gpu-driver')).toMatchObject({ status: 'fail', found: expect.stringMatching(found) });
    expect(of('gpu-driver').fix).toBeDefined();
  });

  it('fails when the chosen GPU does not exist', async () => {
    const { of } = await look({ smi: GOOD_CARD }, ['gpu-driver'], { INFER_GPU: '3' });
    expect(of('gpu-driver').found).toBe('there is no GPU 3: the GPUs here are 0');
  });

  it('reports driver, GPU and free memory', async () => {
    const { of } = await look({ smi: GOOD_CARD }, ['gpu-driver']);
    expect(of('gpu-driver').found).toBe(
      'driver 550.54.15, GPU 0: NVIDIA H100 80GB HBM3, 78.1 GB of 79.6 GB free',
    );
  });
});

describe.runIf(onLinux)('the doctor on CUDA and cuDNN', () => {
  it.each(LIBRARIES)('names a missing %s with its package', async (missing) => {
    const libraries = LIBRARIES.filter((name) => name !== missing);
    const { of, verdict } = await look({ smi: GOOD_CARD, libraries });
    expect(of('gpu-libraries')).toMatchObject({
      status: 'fail',
      found: `the loader does not find ${missing}`,
      fix: expect.stringMatching(/^sudo apt install \S+-12(-6)? \(/),
    });
    expect(of('gpu-run').status).toBe('skip');
    expect(verdict.notReady).toContainEqual({
      what: ['GPU workers'],
      because: `the loader does not find ${missing}`,
    });
  });

  it('only warns about them where no GPU was asked for', async () => {
    const { of } = await look({ smi: GOOD_CARD, libraries: [] }, ['gpu-libraries', 'gpu-driver']);
    expect(of('gpu-libraries').status).toBe('fail');
    const unasked = await look({ smi: GOOD_CARD, libraries: [] }, []);
    expect(unasked.of('gpu-libraries').status).toBe('warn');
  });

  it('tells libraries that cannot be loaded from missing ones', async () => {
    const broken = machine({ smi: GOOD_CARD });
    writeFileSync(join(broken.lib, 'libcudnn.so.9'), 'not a library');
    const { of } = await examine({}, ['gpu'], { machine: broken.machine });
    expect(of('gpu-libraries').found).toMatch(
      /^libcudnn\.so\.9 is there but cannot be loaded: (file too short|invalid ELF header)/,
    );
  });
});

describe.runIf(onLinux)("the doctor on ONNX Runtime's CUDA provider", () => {
  it.each([
    [
      'the provider',
      ['libonnxruntime_providers_shared.so'],
      'libonnxruntime_providers_cuda.so of onnxruntime-node is not installed',
    ],
    [
      'both',
      [],
      'libonnxruntime_providers_shared.so and libonnxruntime_providers_cuda.so of onnxruntime-node are not installed',
    ],
  ])('fails with %s missing', async (_, providers, found) => {
    const { of } = await look({ smi: GOOD_CARD, providers });
    expect(of('gpu-provider')).toMatchObject({
      status: 'fail',
      found,
      fix: expect.stringContaining('ONNXRUNTIME_NODE_INSTALL=true'),
    });
  });

  it('tries a model where everything seems to be installed', async () => {
    const { of } = await look({ smi: GOOD_CARD });
    expect([of('gpu-driver').status, of('gpu-libraries').status, of('gpu-provider').status]).toEqual([
      'ok',
      'ok',
      'ok',
    ]);
    // The runner uses the real location of onnxruntime-node. Where that has CUDA, this machine may have a GPU too.
    expect(of('gpu-run').status).toMatch(/^(fail|ok)$/);
    if (of('gpu-run').status === 'fail') expect(of('gpu-run').found).toContain('no cuda device can be used');
  });
});

describe.runIf(process.platform === 'linux')('the doctor on Vulkan', () => {
  const drivers = (root: string) => {
    mkdirSync(join(root, 'etc/vulkan/icd.d'), { recursive: true });
    writeFileSync(join(root, 'etc/vulkan/icd.d/some_icd.json'), '{}');
  };

  it('fails without a driver and passes with one', async () => {
    const here = machine({ libraries: ['libvulkan.so.1'] });
    const without = await examine({}, ['gpu-webgpu'], { machine: here.machine });
    expect(without.of('gpu-webgpu')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('no Vulkan driver'),
    });
    drivers(here.root);
    const { of } = await examine({}, ['gpu-webgpu'], { machine: here.machine });
    expect(of('gpu-webgpu')).toMatchObject({ status: 'ok', found: expect.stringContaining('some_icd.json') });
  });

  it('matters only for --provider webgpu', async () => {
    const broken = machine({ libraries: [] });
    writeFileSync(join(broken.lib, 'libvulkan.so.1'), 'not a library');
    const { of } = await examine({ INFER_PROVIDER: 'webgpu' }, [], { machine: broken.machine });
    expect(of('gpu-webgpu')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('cannot be loaded'),
    });
    const unasked = await examine({}, ['gpu'], { machine: broken.machine });
    expect(unasked.of('gpu-webgpu').status).toBe('skip');
  });
});
