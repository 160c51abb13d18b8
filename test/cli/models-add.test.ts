import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { useInfer } from '../support/cli.js';
import { expectFailure } from '../support/failure.js';
import { buildModel, externalWeights, type Graph, poison, times } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';
import { startServer } from '../support/serve.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
let models = '';
let count = 0;

beforeAll(() => {
  put('nets/triple.onnx', times(3));
});
beforeEach(() => {
  models = path.join(infer.dir, `models-${++count}`);
});

/** Writes files below the sandbox; a graph becomes a model file. */
function put(place: string, content: Graph | string | Buffer | object): string {
  const file = path.join(infer.dir, place);
  mkdirSync(path.dirname(file), { recursive: true });
  if (Buffer.isBuffer(content) || typeof content === 'string') writeFileSync(file, content);
  else writeFileSync(file, 'nodes' in content ? buildModel(content as Graph) : JSON.stringify(content));
  return file;
}

/** A named pipe, which nothing writes to. */
function pipe(place: string): string {
  const file = path.join(infer.dir, place);
  mkdirSync(path.dirname(file), { recursive: true });
  execFileSync('mkfifo', [file]);
  return file;
}

/** Everything in the models directory, also hidden. */
function tree(): string[] {
  try {
    return readdirSync(models, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => path.relative(models, path.join(entry.parentPath, entry.name)))
      .sort();
  } catch {
    return [];
  }
}

interface Tried {
  model: { name: string; version: number; digest: string };
  dir: string;
  files: string[];
  input: unknown;
  result: unknown;
  commands: { serve: string; submit: string; curl: string };
}

const words = (from: string, ...more: string[]) => ['models', 'add', from, '--models', models, ...more];
const add = async (from: string, ...more: string[]) =>
  (await infer.ask([...words(from, ...more), '--json'])).json<Tried>();
const at = (place: string) => path.join(infer.dir, place);

describe('infer models add', () => {
  it('copies a file with its external data, and prints commands that work', async () => {
    const file = put('ext/adds.onnx', externalWeights('weights/adds.bin'));
    put('ext/weights/adds.bin', Buffer.from(Float32Array.of(10, 20).buffer));
    const shown = await infer.run(words(file));
    expect(shown.stdout).toMatch(/^model +adds version 1 /);
    expect(shown.stdout).toContain('a row ran in');
    expect(shown.stderr).toBe(`added ${path.join(models, 'adds', '1')}\n`);
    expect(tree()).toEqual(['adds/1/model.onnx', 'adds/1/weights/adds.bin']);
    const { input, result, commands } = (
      await infer.run(['models', 'check', 'adds', '--models', models, '--json'])
    ).json<Tried>();
    expect([input, result]).toEqual([[0, 0], { y: [10, 20] }]);
    await infer.worker(['--models', models]);
    const sent = await infer.run([], { through: ['sh', '-c', commands.submit] });
    expect([sent.exitCode, sent.json()]).toEqual([0, { y: [10, 20] }]);
    const server = await startServer(infer, ['--models', models]);
    const curl = commands.curl.replace('http://127.0.0.1:8000', server.url).replace('curl ', 'curl -s ');
    const answer = await infer.run([], { through: ['sh', '-c', curl] });
    expect(answer.json()).toMatchObject({ state: 'completed', result: { y: [10, 20] } });
    await server.stop();
  });

  it('gives a model of the same name the next version, and replaces one only with --force', async () => {
    expect((await add(at('nets/triple.onnx'))).model.version).toBe(1);
    expect((await add(at('nets/triple.onnx'))).model.version).toBe(2);
    put('other/triple.onnx', times(4));
    await expectFailure(infer, words(at('other/triple.onnx'), '--version', '2'), {
      exitCode: 2,
      code: 'MODEL_EXISTS',
      message: /model triple has a version 2 already/,
      fix: /leave --version out for version 3, or replace it with --force/,
    });
    const replaced = await add(at('other/triple.onnx'), '--version', '2', '--force');
    expect(replaced).toMatchObject({ model: { version: 2 }, dir: path.join(models, 'triple', '2') });
    expect(readFileSync(path.join(replaced.dir, 'model.onnx'))).toEqual(buildModel(times(4)));
    expect(tree()).toEqual(['triple/1/model.onnx', 'triple/2/model.onnx']);
    const listed = (await infer.ask(['models', 'triple', '--models', models, '--json'])).json<{
      digest: string;
    }>();
    expect(listed.digest).toBe(replaced.model.digest);
    expect(statSync(path.join(models, 'triple')).mode & 0o055).toBe(0o055);
  });

  it('takes a Hugging Face export with its files, under another name', async () => {
    put('hub/scorer/config.json', {
      architectures: ['BertForSequenceClassification'],
      id2label: { 0: 'a', 1: 'b', 2: 'c', 3: 'd' },
    });
    put('hub/scorer/tokenizer.json', {});
    put('hub/scorer/README.md', 'x');
    put('hub/scorer/onnx/model.onnx', times(1));
    put('hub/scorer/onnx/model_q4.onnx', times(-1));
    const { result, files } = await add(at('hub/scorer'), '--name', 'mood');
    expect(result).toEqual({ class: 0, confidence: 0.25, label: 'a' });
    expect(files).toEqual(['1/model.onnx', '1/config.json', '1/tokenizer.json']);
    await add(at('hub/scorer/onnx/model_q4.onnx'), '--name', 'mood');
    expect(readFileSync(path.join(models, 'mood/2/model.onnx'))).toEqual(buildModel(times(-1)));
    expect(tree()).toHaveLength(6);
  });

  it('takes a model of Triton; settings that all versions share change only with --force', async () => {
    const config = (most: number) =>
      `max_batch_size: ${most}\ninput { name: "x" data_type: TYPE_FP32 dims: 4 }\n`;
    put('triton/net/config.pbtxt', config(8));
    put('triton/net/1/model.onnx', times(2));
    await add(at('triton/net'));
    expect(tree()).toEqual(['net/1/model.onnx', 'net/config.pbtxt']);
    await add(at('triton/net'));
    put('triton/net/config.pbtxt', config(16));
    await expectFailure(infer, words(at('triton/net')), {
      exitCode: 2,
      code: 'MODEL_EXISTS',
      message: /model net has another config\.pbtxt, which all of its versions share/,
      fix: /--force/,
    });
    await add(at('triton/net'), '--force');
    expect(readFileSync(path.join(models, 'net/config.pbtxt'), 'utf8')).toBe(config(16));
    expect(tree().filter((file) => file.endsWith('.onnx'))).toHaveLength(3);
  });

  it.each([
    ['a file that is no model', () => put('bad/page.onnx', '<!doctype html>'), 78, 'MODEL_LOAD', /HTML page/],
    [
      'external data that is missing',
      () => put('bad/adds.onnx', externalWeights('no.bin')),
      78,
      'MODEL_LOAD',
      /no\.bin is missing/,
    ],
    ['nothing at the path', () => at('nowhere'), 66, 'MODEL_UNKNOWN', /no file or directory at/],
    [
      'a directory of models',
      () => path.dirname(path.dirname(path.dirname(put('repo/a/1/model.onnx', times(1))))),
      66,
      'MODEL_UNKNOWN',
      /is a directory of models/,
    ],
    ['a bad name', () => put('bad/my net.onnx', times(1)), 2, 'USAGE', /'my net' is not a model name/],
    [
      'a file that looks like no model, before it is copied',
      () => put('bad/noise.onnx', Buffer.alloc(1000, 0xff)),
      78,
      'MODEL_LOAD',
      /model noise\.onnx cannot be loaded: it is not an ONNX model/,
    ],
    ['a named pipe', () => pipe('bad/pipe.onnx'), 66, 'MODEL_READ_FAILED', /it is a named pipe, not a file/],
    [
      'a pipe as external data',
      () => {
        pipe('piped/w.bin');
        return put('piped/adds.onnx', externalWeights('w.bin'));
      },
      66,
      'MODEL_READ_FAILED',
      /w\.bin cannot be read: it is a named pipe/,
    ],
    [
      'a pipe as a file of settings',
      () => {
        put('settings/1/model.onnx', times(1));
        return path.dirname(pipe('settings/model.json'));
      },
      66,
      'MODEL_READ_FAILED',
      /model\.json cannot be read: it is a named pipe/,
    ],
  ])('refuses %s with the reason, and changes nothing', async (_, from, exitCode, code, message) => {
    await expectFailure(infer, words(from()), { exitCode, code, message, fix: /./ });
    expect(tree()).toEqual([]);
  });

  it('refuses a model that fails on its sample, and takes a row of the user instead', async () => {
    const file = put('picky/lookup.onnx', poison());
    const good = put('picky/good.json', { index: [2] });
    const bad = put('picky/bad.json', { index: [9] });
    await expectFailure(infer, words(file, '--input', bad), {
      exitCode: 1,
      code: 'RUN_FAILED',
      message: /model lookup fails on the first row of .*bad\.json: .*bounds/,
      fix: /--input FILE runs another one/,
    });
    await expectFailure(infer, words(file, '--input', put('picky/other.json', { indices: [2] })), {
      exitCode: 65,
      code: /^INPUT_/,
      message: /index/,
      fix: /./,
    });
    expect(tree()).toEqual([]);
    expect(await add(file, '--input', good)).toMatchObject({ result: { y: [30] } });
  });

  it('refuses a place that cannot be written, and removes what a killed one left', async () => {
    const file = put('plain.txt', 'x');
    await expectFailure(
      infer,
      ['models', 'add', at('nets/triple.onnx'), '--models', path.join(file, 'models')],
      {
        exitCode: 78,
        code: 'MODEL_NOT_WRITTEN',
        message: /cannot copy to .*nothing was changed/,
        fix: /--models DIR/,
      },
    );
    await expectFailure(infer, ['models', 'add', at('nets/triple.onnx'), '--models', file], {
      exitCode: 78,
      code: 'MODEL_NOT_WRITTEN',
      message: /a part of that path is a file; nothing was changed/,
      fix: /--models DIR/,
    });
    mkdirSync(models);
    writeFileSync(path.join(models, 'triple'), 'x');
    symlinkSync(at('nowhere'), path.join(models, 'lost'));
    for (const [name, message] of [
      ['triple', /is not a directory/],
      ['lost', /is a broken link/],
    ] as const) {
      await expectFailure(infer, words(at('nets/triple.onnx'), '--name', name), {
        exitCode: 2,
        code: 'MODEL_EXISTS',
        message,
        fix: new RegExp(`--name ${name}-2`),
      });
    }
    unlinkSync(path.join(models, 'triple'));
    unlinkSync(path.join(models, 'lost'));
    // No system has a process of this number.
    const left = path.join(models, `.adding-${hostname()}-2000000000-abc`, 'm', '1');
    mkdirSync(left, { recursive: true });
    writeFileSync(path.join(left, 'model.onnx'), 'half');
    await add(at('nets/triple.onnx'));
    expect(readdirSync(models)).toEqual(['triple']);
  });
});

describe('infer models check', () => {
  it('runs a row of a model in place, by name or by path, and says where its settings are from', async () => {
    await add(at('nets/triple.onnx'));
    const row = put('row.json', [[1, 2, 3, 4]]);
    const byName = await infer.run(['models', 'check', 'triple', '--models', models, '--input', row]);
    expect(byName.stdout).toContain('{"y":[3,6,9,12]}');
    const byPath = (await infer.ask(['models', 'check', at('nets/triple.onnx'), '--json'])).json<Tried>();
    expect(byPath).toMatchObject({ model: { name: 'triple' }, input: [0, 0, 0, 0] });
    expect(byPath.commands.serve).toMatch(/ up --models .*triple\.onnx$/);
  });

  it('says that only the handler knows the rows of a model, if it has one', async () => {
    put('shout/model.json', { handler: './handler.mjs' });
    put('shout/handler.mjs', 'export const preprocess = (row) => ({ x: row.numbers });');
    put('shout/1/model.onnx', times(2));
    const shown = await infer.ask(['models', 'check', at('shout')]);
    expect(shown.stdout).toContain('no row was run: only its handler knows their form');
    const row = put('numbers.json', { numbers: [1, 2, 3, 4] });
    expect((await infer.ask(['models', 'check', at('shout'), '--input', row])).stdout).toContain(
      '{"y":[2,4,6,8]}',
    );
  });

  it.each([
    ['an unknown model', 'tripel', 66, 'MODEL_UNKNOWN', /did you mean 'triple'/],
    ['a missing file', './no.onnx', 66, /MODELS_DIR|MODEL_UNKNOWN/, /\.onnx/],
  ])('refuses %s', async (_, asked, exitCode, code, fix) => {
    await add(at('nets/triple.onnx'));
    await expectFailure(infer, ['models', 'check', asked, '--models', models], {
      exitCode,
      code,
      message: /no (?:model|file)/,
      fix,
    });
  });
});
