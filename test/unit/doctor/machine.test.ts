import { describe, expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { judgeSecrets, judgeSettings, judgeVariables } from '../../../src/lib/doctor/checks/config.js';
import { judgeLibraries, judgeProvider } from '../../../src/lib/doctor/checks/gpu-cuda.js';
import { judgeDriver } from '../../../src/lib/doctor/checks/gpu-driver.js';
import { judgeVulkan } from '../../../src/lib/doctor/checks/gpu-webgpu.js';
import { judgeModels } from '../../../src/lib/doctor/checks/models.js';
import { judgeDisk, judgeFiles, judgeFree, judgeNode } from '../../../src/lib/doctor/checks/system.js';
import { parseGpus } from '../../../src/lib/model/gpu-parse.js';
import { settings } from './records.js';

const MB = 2 ** 20;
const GB = 2 ** 30;

describe('the GPU checks', () => {
  const CSV =
    '0, GPU-aa, 81559, 559, 81000, 3, Disabled, 550.54.15, NVIDIA H100 80GB HBM3\n1, GPU-bb, [N/A], [N/A], [N/A], [N/A], [N/A], 550.54.15, X\n';
  const question = { wanted: true, contained: false, gpu: undefined };
  const gpus = (driver: string) => ({
    kind: 'gpus' as const,
    gpus: parseGpus(`0, GPU-aa, 1000, 100, 900, 0, Disabled, ${driver}, A`, true, true).gpus,
  });

  it('parse the output of nvidia-smi, and nothing else', () => {
    expect(parseGpus(CSV, true, true).gpus).toMatchObject([
      {
        index: 0,
        uuid: 'GPU-aa',
        name: 'NVIDIA H100 80GB HBM3',
        totalBytes: 81_559 * MB,
        freeBytes: 81_000 * MB,
        driver: '550.54.15',
      },
      { index: 1, uuid: 'GPU-bb', name: 'X', driver: '550.54.15' },
    ]);
    expect(parseGpus('NVIDIA-SMI has failed\n\n', true, true).gpus).toEqual([]);
    const answer = { kind: 'gpus' as const, gpus: parseGpus(CSV, true, true).gpus };
    expect(judgeDriver(answer, question).details).toEqual([
      '0: NVIDIA H100 80GB HBM3, 79.1 GB of 79.6 GB free',
      '1: X',
    ]);
  });

  it.each([
    ['absent', { kind: 'absent' }, /not on the PATH/, /install the NVIDIA driver/],
    ['silent', { kind: 'silent' }, /hangs/, /reboot/],
    [
      'broken',
      { kind: 'broken', reason: 'Failed to initialize NVML: Driver/library version mismatch' },
      /mismatch/,
      /reboot/,
    ],
    ['too old', gpus('470.82.01'), /470.82.01 is too old: CUDA 12 needs 525/, /install the NVIDIA driver/],
  ] as const)('fail a driver that is %s', (_, answer, found, fix) => {
    const finding = judgeDriver(answer, question);
    expect(finding).toMatchObject({ status: 'fail', blocks: ['GPU workers'] });
    expect(finding.found).toMatch(found);
    expect(finding.fix).toMatch(fix);
    // Not asked for: an idle GPU deserves a warning, no GPU does not.
    const unasked = judgeDriver(answer, { ...question, wanted: false });
    expect(unasked.status).toBe(answer.kind === 'absent' ? 'skip' : 'warn');
  });

  it('suggest passing the GPU into a container', () => {
    expect(judgeDriver({ kind: 'absent' }, { ...question, contained: true }).fix).toContain('--gpus all');
  });

  it('report a requested GPU that does not exist', () => {
    const answer = { kind: 'gpus' as const, gpus: parseGpus(CSV, true, true).gpus };
    expect(judgeDriver(answer, { ...question, gpu: '1' }).status).toBe('ok');
    expect(judgeDriver(answer, { ...question, gpu: 'GPU-aa' }).status).toBe('ok');
    expect(judgeDriver(answer, { ...question, gpu: 'GPU-cc' }).found).toBe(
      'there is no GPU GPU-cc: the GPUs here are 0, 1',
    );
    const finding = judgeDriver(answer, { ...question, gpu: '4' });
    expect(finding).toMatchObject({ status: 'fail', found: 'there is no GPU 4: the GPUs here are 0, 1' });
  });

  it('name every missing library and its package', () => {
    const missing = (library: string) => ({
      library,
      problem: `${library}: cannot open shared object file: No such file or directory`,
    });
    const looks = [{ library: 'libcudart.so.12' }, missing('libcublas.so.12'), missing('libcudnn.so.9')];
    const finding = judgeLibraries(looks, { wanted: true, present: true });
    expect(finding.found).toBe('the loader does not find libcublas.so.12, libcudnn.so.9');
    expect(finding.fix).toContain('sudo apt install libcublas-12-6 libcudnn9-cuda-12 ');
    const broken = { library: 'libcudnn.so.9', problem: '/opt/x/libcudnn.so.9: file too short' };
    expect(judgeLibraries([broken], { wanted: false, present: true })).toMatchObject({
      status: 'warn',
      found: 'libcudnn.so.9 is there but cannot be loaded: file too short',
    });
    const half = {
      library: 'libcublas.so.12',
      problem: 'libcublasLt.so.12: cannot open shared object file: No such file or directory',
    };
    expect(judgeLibraries([half], { wanted: true, present: true }).found).toBe(
      'libcublas.so.12 needs libcublasLt.so.12, which is not found',
    );
  });

  it('suggest the installer of onnxruntime-node for a missing provider', () => {
    const finding = judgeProvider(['libonnxruntime_providers_cuda.so'], { wanted: true, present: true });
    expect(finding.found).toContain('is not installed');
    expect(finding.fix).toContain('ONNXRUNTIME_NODE_INSTALL=true');
  });

  it.each([
    ['there', { library: 'libvulkan.so.1' }, ['nvidia_icd.json'], false, 'ok'],
    ['no loader', { library: 'libvulkan.so.1', problem: 'x' }, [], false, 'skip'],
    ['no loader, wanted', { library: 'libvulkan.so.1', problem: 'x' }, [], true, 'fail'],
    ['no driver, wanted', { library: 'libvulkan.so.1' }, [], true, 'fail'],
    ['no answer, wanted', undefined, [], true, 'fail'],
  ])('judge Vulkan: %s', (_, answer, drivers, wanted, status) => {
    expect(judgeVulkan(answer, drivers, wanted).status).toBe(status);
  });
});

describe('the models check', () => {
  const digits = { name: 'digits', version: 1, sizeBytes: 1000 };
  it.each([
    ['one', [digits], [], 'ok'],
    ['none', [], [], 'fail'],
    ['a bad one', [digits], [new InferError('CONFIG', 'bad', { hint: 'mend it' })], 'fail'],
  ])('judges %s', (_, found, bad, status) => {
    expect(judgeModels('/m', found, bad).status).toBe(status);
  });
});

describe('the settings checks', () => {
  it('count the settings in use, and report every problem', async () => {
    const loaded = await settings({ INFER_PREFIX: 'shop' });
    expect(judgeSettings([], loaded)).toMatchObject({ status: 'ok', details: ['prefix from INFER_PREFIX'] });
    const problems = [
      new InferError('CONFIG', 'a is wrong', { hint: 'mend a' }),
      new InferError('CONFIG', 'b too'),
    ];
    expect(judgeSettings(problems, loaded)).toMatchObject({
      status: 'fail',
      found: 'a is wrong (and 1 more)',
      fix: 'mend a',
      details: ['b too'],
    });
  });

  it('report a variable that nothing reads', () => {
    expect(judgeVariables([]).status).toBe('ok');
    const finding = judgeVariables([{ name: 'INFER_REDIS_ULR', suggestion: 'INFER_REDIS_URL' }]);
    expect(finding).toMatchObject({
      status: 'warn',
      found: 'nothing reads INFER_REDIS_ULR; did you mean INFER_REDIS_URL?',
      fix: 'rename INFER_REDIS_ULR to INFER_REDIS_URL',
    });
    expect(judgeVariables([{ name: 'INFER_X' }]).fix).toBe('unset INFER_X');
  });

  it.each([
    ['none', {}, 0o644, 'ok'],
    ['a private file', { INFER_REDIS_PASSWORD_FILE: '/p' }, 0o600, 'ok'],
    ['a file for all', { INFER_REDIS_PASSWORD_FILE: '/p' }, 0o644, 'warn'],
    ['a private key for all', { INFER_REDIS_CERT_FILE: '/c', INFER_REDIS_KEY_FILE: '/k' }, 0o644, 'warn'],
    ['a key with its certificate', { INFER_REDIS_CERT_FILE: '/c' }, 0o640, 'warn'],
    ['a URL of the environment', { INFER_REDIS_URL: 'redis://:s@h:1' }, 0o644, 'ok'],
  ])('judge passwords: %s', async (_, env, mode, status) => {
    expect(judgeSecrets(await settings(env), () => mode).status).toBe(status);
  });

  it('warn about passwords on the command line', async () => {
    const { loadSettings } = await import('../../../src/lib/config/load.js');
    const loaded = await loadSettings({ env: {}, cwd: '/', flags: { redisUrl: 'redis://:s3cret@h:1' } });
    const finding = judgeSecrets(loaded, () => 0o600);
    expect(finding.found).toBe(
      'the password in --redis is in the list of processes, for every user of this machine',
    );
  });
});

describe('the machine checks', () => {
  it.each([
    ['20.19.0', 'ok'],
    ['22.3.0', 'ok'],
    ['20.18.9', 'fail'],
    ['18.20.0', 'fail'],
  ])('judge Node.js %s: %s', (version, status) => {
    expect(judgeNode(version).status).toBe(status);
  });

  it.each([
    [8 * GB, 16 * GB, 'ok'],
    [GB, 16 * GB, 'warn'],
    [400 * MB, GB, 'warn'],
    [100 * MB, GB, 'fail'],
  ])('judge %d of %d bytes of free memory: %s', (free, total, status) => {
    expect(judgeFree(free, total).status).toBe(status);
  });

  it.each([
    [9 * GB, 'ok'],
    [500 * MB, 'warn'],
    [50 * MB, 'fail'],
  ])('judge %d bytes of free disk: %s', (free, status) => {
    expect(judgeDisk('/d', free, 10 * GB).status).toBe(status);
  });

  it.each([
    ['unlimited', 'ok'],
    ['1024', 'ok'],
    ['256', 'warn'],
    ['what?', 'skip'],
  ])('judge ulimit -n %s: %s', (limit, status) => {
    expect(judgeFiles(limit).status).toBe(status);
  });
});
