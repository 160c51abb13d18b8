import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { until, useInfer } from '../support/cli.js';
import { expectFailure } from '../support/failure.js';
import { externalWeights, times, writeModel } from '../support/onnx-builder.js';
import { inspect } from '../support/overview.js';
import { useRedis } from '../support/redis.js';
import { childrenOf, type TestWorker } from '../support/worker.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
let models = '';
let input = '';

beforeAll(() => {
  models = path.join(infer.dir, 'models');
  input = infer.file('row.json', JSON.stringify({ x: [1, 2, 3, 4] }));
});

interface Job {
  state: string;
  result?: { y: number[] };
  error?: { code: string; message: string };
}

const ask = async (model: string, queue: string, ...more: string[]): Promise<Job> =>
  (
    await infer.run([
      'submit',
      input,
      '-m',
      model,
      '-Q',
      queue,
      '--models',
      models,
      '--wait',
      '--json',
      ...more,
    ])
  ).json<Job>();
const kill = async (worker: TestWorker, pid: number): Promise<void> => {
  const before = childrenOf(worker.pid).length;
  process.kill(pid, 'SIGKILL');
  await until(async () => {
    const now = childrenOf(worker.pid);
    return !now.includes(pid) && now.length === before ? true : undefined;
  });
};
const problems = async (code: string) =>
  (await inspect(infer)).problems.filter((problem: { code: string }) => problem.code === code);

describe('a served model version', () => {
  it('does not change with a crash or a new runner, nor do its files', async () => {
    writeModel(models, 'm', times(10));
    const worker = await infer.worker(['-Q', 'v', '--models', models, '-m', 'm', '--name', 'v']);
    expect((await ask('m', 'v')).result?.y).toEqual([10, 20, 30, 40]);
    // A version added next to it is loaded with control load.
    writeModel(models, 'm', times(20), undefined, { version: 2 });
    await kill(worker, childrenOf(worker.pid)[0] as number);
    expect((await ask('m', 'v')).result?.y).toEqual([10, 20, 30, 40]);
    await infer.run(['control', 'set', 'v', 'concurrency', '2']);

    writeModel(models, 'm', times(99));
    const refused = await infer.run(['control', 'set', 'v', 'concurrency', '3', '--json']);
    expect(refused.stdout).toContain('1/model.onnx changed on disk');
    // One of two runners cannot reload it: the other serves all of its jobs.
    await kill(worker, childrenOf(worker.pid)[0] as number);
    await worker.said(/runner restarted/);
    for (let job = 0; job < 4; job++) expect((await ask('m', 'v')).result?.y).toEqual([10, 20, 30, 40]);
    await until(async () => (await problems('MODEL_CHANGED'))[0]);

    // No runner has it: its jobs wait, and are not answered with other weights.
    for (const pid of childrenOf(worker.pid)) process.kill(pid, 'SIGKILL');
    await until(async () => (await problems('MODEL_UNSERVED'))[0]);
    const waiting = ask('m', 'v', '--retries', '0');
    await until(async () => (await problems('MODEL_NO_WORKER'))[0]);
    expect((await problems('MODEL_UNSERVED'))[0]?.message).toContain('1/model.onnx changed on disk');
    expect(worker.stderr).toContain('model is not served');
    await infer.run(['control', 'load', 'v', 'm@1']);
    expect((await waiting).result?.y).toEqual([99, 198, 297, 396]);
    expect(await problems('MODEL_UNSERVED')).toEqual([]);
  });

  it('stops answering when its memory-mapped weights are overwritten', async () => {
    const file = path.join(writeModel(models, 'mapped', externalWeights('w.bin')), '1', 'w.bin');
    writeFileSync(file, Buffer.from(Float32Array.of(10, 20).buffer));
    const two = infer.file('two.json', JSON.stringify({ x: [1, 2] }));
    await infer.worker(['-Q', 'mm', '--models', models, '-m', 'mapped', '--name', 'mm']);
    const job = async (...more: string[]) =>
      (await infer.run(['submit', two, '-m', 'mapped', '-Q', 'mm', '--wait', '--json', ...more])).json<Job>();
    expect((await job()).result?.y).toEqual([11, 22]);
    writeFileSync(file, Buffer.from(Float32Array.of(30, 40).buffer), { flag: 'r+' });
    await until(async () => (await problems('MODEL_UNSERVED'))[0]);
    const waiting = job('--retries', '0');
    await until(async () => (await problems('MODEL_NO_WORKER'))[0]);
    // Once restored, it is served again automatically, along with the waiting jobs.
    writeFileSync(file, Buffer.from(Float32Array.of(10, 20).buffer), { flag: 'r+' });
    await until(async () => ((await problems('MODEL_UNSERVED')).length === 0 ? true : undefined), 40_000);
    expect((await waiting).result?.y).toEqual([11, 22]);
  });
});

describe('one broken model among several', () => {
  let mixed = '';
  beforeAll(() => {
    mixed = path.join(infer.dir, 'mixed');
    writeModel(mixed, 'good', times(2));
    writeModel(mixed, 'lfs', Buffer.from('version https://git-lfs.github.com/spec/v1\n'));
    writeModel(mixed, 'typo', times(2), { inputs: { sizes: {} } });
    mkdirSync(path.join(mixed, 'other', 'v1'), { recursive: true });
    writeFileSync(path.join(mixed, 'other', 'v1', 'model.onnx'), '');
  });

  it('does not stop the others, and is reported by the banner, the log, inspect and doctor', async () => {
    const worker = await infer.worker(['-Q', 'b', '--models', mixed, '--name', 'b']);
    expect(worker.stderr).toContain(
      'not served: model lfs/1/model.onnx cannot be loaded: it is a Git LFS pointer',
    );
    expect(worker.stderr).toContain(
      "not served: typo/model.json: field inputs.sizes: the model has no input 'sizes'",
    );
    expect(worker.stderr).toContain('other/v1 is not served: a version is a whole number');
    expect(worker.stderr).toContain('"msg":"model is not served"');
    const models2 = ['--models', mixed];
    const good = await infer.run(['submit', input, '-m', 'good', '-Q', 'b', ...models2, '--wait', '--json']);
    expect(good.json<Job>().result?.y).toEqual([2, 4, 6, 8]);
    expect((await problems('MODEL_UNSERVED')).map(({ message }: { message: string }) => message)).toEqual([
      expect.stringContaining('worker b does not serve lfs: model lfs/1/model.onnx cannot be loaded'),
      expect.stringContaining('worker b does not serve typo'),
    ]);
    const doctor = await infer.run(['doctor', 'models', ...['--json']], { env: { INFER_MODELS_DIR: mixed } });
    const checks = doctor.json<{ checks: { id: string; status: string; found: string }[] }>().checks;
    const of = (id: string) => checks.find((check) => check.id === id);
    expect(of('models-load')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('Git LFS pointer'),
    });
    expect(of('models-found')).toMatchObject({ status: 'warn', found: expect.stringContaining('other/v1') });
    expect(of('models-changed')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('does not serve lfs'),
    });
    // Once repaired, it is loaded without a restart.
    writeModel(mixed, 'lfs', times(3));
    await infer.run(['control', 'load', 'b', 'lfs']);
    expect((await problems('MODEL_UNSERVED')).map(({ message }: { message: string }) => message)).toEqual([
      expect.stringContaining('does not serve typo'),
    ]);
    writeModel(mixed, 'lfs', Buffer.from('version https://git-lfs.github.com/spec/v1\n'));
  });

  it('stops the start with --strict, when no model loads, or when the named one does not exist', async () => {
    const start = (...args: string[]) => ['worker', '-Q', 's', '--models', mixed, ...args];
    await expectFailure(infer, start('--strict'), {
      exitCode: 78,
      code: 'MODEL_LOAD',
      message: /Git LFS pointer/,
      fix: /git lfs pull/,
    });
    await expectFailure(infer, start('-m', 'lfs,typo'), {
      exitCode: 78,
      code: 'NONE_LOADED',
      message: /none of 2 models can be loaded: .*Git LFS pointer.*; .*inputs\.sizes/,
      fix: /git lfs pull/,
    });
    await expectFailure(infer, start('-m', 'good,godo'), {
      exitCode: 66,
      code: 'MODEL_UNKNOWN',
      message: /no model 'godo'/,
      fix: /good/,
    });
  });

  it('is reported on standard error by infer models in a pipe', async () => {
    const { stdout, stderr, exitCode } = await infer.run(['models', '--models', mixed]);
    expect(exitCode).toBe(3);
    expect(stdout.split('\n').map((line) => line.split('\t')[0])).toEqual(['NAME', 'good', '']);
    expect(stderr).toMatch(/other\/v1 is not served/);
    expect(stderr).toMatch(/Git LFS pointer/);
  });

  it('that the user may not read is reported with the user and the command that fixes it', async () => {
    const uid = process.getuid?.();
    const mode = uid === 0 ? 0o600 : 0;
    const closed = path.join(infer.dir, 'closed');
    writeModel(closed, 'good', times(2));
    const file = path.join(writeModel(closed, 'secret', times(2)), '1', 'model.onnx');
    writeModel(closed, 'vault', times(2));
    chmodSync(file, mode);
    chmodSync(path.join(closed, 'vault'), uid === 0 ? 0o700 : 0);
    chmodSync(infer.dir, 0o755);
    const source = `if (process.getuid() === 0) process.setuid(65534);
      const { findModel } = await import(process.env.REPOSITORY);
      for (const name of ['good', 'secret', 'vault']) {
        try { console.log(findModel(process.env.DIR, name).name); }
        catch ({ code, message, hint, exitCode }) { console.log(JSON.stringify({ code, message, hint, exitCode })); }
      }`;
    const repository = new URL('../../dist/lib/model/repository.js', import.meta.url).href;
    const { stdout } = await infer.script(source, { env: { REPOSITORY: repository, DIR: closed } });
    // A directory that its own owner may not enter could not be removed.
    chmodSync(path.join(closed, 'vault'), 0o700);
    const [good, secret, vault] = String(stdout).trim().split('\n') as [string, string, string];
    expect(good).toBe('good');
    expect(JSON.parse(secret)).toMatchObject({
      code: 'MODEL_UNREADABLE',
      exitCode: 77,
      message: expect.stringMatching(
        new RegExp(
          `^model 'secret': user \\S+.* may not read .*secret/1/model\\.onnx \\(its owner is uid ${uid}, its mode ${mode === 0 ? '0000' : '0600'}\\)$`,
        ),
      ),
      hint: `as its owner or root: chmod -R a+rX ${file}`,
    });
    expect(JSON.parse(vault)).toMatchObject({
      code: 'MODEL_UNREADABLE',
      hint: `as its owner or root: chmod -R a+rX ${path.join(closed, 'vault')}`,
    });
  });
});

describe('a long-lived client', () => {
  const CLIENT = `import { InferClient } from 'infer-queue';
    const client = await InferClient.connect();
    const ask = async (x) => {
      try {
        const { state, result } = await client.run({ x }, { model: 'wide', queue: 'w' });
        return { state, y: result?.y };
      } catch ({ code }) { return { refused: code }; }
    };
    process.once('SIGUSR2', async () => {
      const answers = [await ask([1, 2, 3]), await ask([1, 2])];
      console.log(JSON.stringify(answers));
      await client.close();
    });
    console.log(JSON.stringify(await ask([1, 2])));`;

  it('accepts rows for the version served now, and rejects those for the old one', async () => {
    writeModel(models, 'wide', times(2, 2));
    await infer.worker(['-Q', 'w', '--models', models, '-m', 'wide', '--name', 'w']);
    const child = infer.script(CLIENT, { env: { INFER_MODELS_DIR: models } });
    const lines: unknown[] = [];
    child.stdout?.on('data', (chunk: Buffer) => {
      for (const line of chunk.toString().split('\n')) if (line !== '') lines.push(JSON.parse(line));
    });
    expect(await until(async () => lines[0])).toMatchObject({ state: 'completed', y: [2, 4] });
    writeModel(models, 'wide', times(3, 3), undefined, { version: 2 });
    await infer.run(['control', 'load', 'w', 'wide']);
    child.kill('SIGUSR2');
    await child;
    expect(lines[1]).toEqual([{ state: 'completed', y: [3, 6, 9] }, { refused: expect.any(String) }]);
  });
});
