import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { useInfer } from '../support/cli.js';
import { hugePng, meanColors } from '../support/image-models.js';
import { buildModel, writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';
import { startServer } from '../support/serve.js';

const redis = useRedis();
const infer = useInfer(redis);

const MANIFEST = {
  task: 'image-classification',
  labels: ['red', 'green', 'blue'],
  scores: 'probabilities',
  preprocess: { size: { shortestEdge: 16 }, crop: 12, resample: 'bicubic' },
};

type Rgb = { r: number; g: number; b: number };
const RED = { r: 250, g: 20, b: 10 };
const GREEN = { r: 20, g: 250, b: 10 };
const BLUE = { r: 10, g: 20, b: 250 };

const plain = (background: Rgb, width = 40, height = 30) =>
  sharp({ create: { width, height, channels: 3, background } });

/** Images of one colour each. */
let files: Record<'red' | 'green' | 'blue', string>;

beforeAll(async () => {
  const models = path.join(infer.dir, 'models');
  writeModel(models, 'colors', meanColors(), MANIFEST);
  const hub = path.join(models, 'hub');
  mkdirSync(hub, { recursive: true });
  writeFileSync(path.join(hub, 'model.onnx'), buildModel(meanColors()));
  const config = {
    architectures: ['ViTForImageClassification'],
    id2label: { 0: 'red', 1: 'green', 2: 'blue' },
  };
  writeFileSync(path.join(hub, 'config.json'), JSON.stringify(config));
  const processor = {
    image_processor_type: 'ViTImageProcessor',
    size: { height: 12, width: 12 },
    resample: 3,
  };
  writeFileSync(path.join(hub, 'preprocessor_config.json'), JSON.stringify(processor));
  files = {
    red: infer.file('red.jpg', await plain(RED).jpeg().toBuffer()),
    green: infer.file('green.png', await plain(GREEN).png().toBuffer()),
    blue: infer.file('blue.webp', await plain(BLUE).webp().toBuffer()),
  };
  await infer.worker(['--models', models]);
});

const submit = (file: string, ...more: string[]) =>
  infer.run(['submit', file, '--model', 'colors', '--wait', '60s', ...more]);

/** Rows of NDJSON that name images, or contain them. */
const lines = (...rows: unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

describe('infer submit of an image', () => {
  it.each([
    ['red', 'JPEG'],
    ['green', 'PNG'],
    ['blue', 'WebP'],
  ] as const)('is answered with its class: %s, %s', async (color, _format) => {
    const done = await submit(files[color], '--json');
    expect(done.json()).toMatchObject({ state: 'completed', result: { label: color } });
  });

  it('is answered by a Hugging Face export as it is', async () => {
    const done = await infer.run(['submit', files.green, '--model', 'hub', '--wait', '60s', '--json']);
    expect(done.json()).toMatchObject({ state: 'completed', result: { label: 'green' } });
    const shown = await infer.ask(['models', '--models', path.join(infer.dir, 'models')]);
    expect(`${shown.stdout}${shown.stderr}`.replace(/\s+/g, ' ')).toContain(
      'hub: preprocess: preprocessor_config.json ViTImageProcessor',
    );
  });

  it('keeps the file in Redis as it is, and shows what it is', async () => {
    const { id } = (
      await infer.ask(['submit', files.red, '--model', 'colors', '-Q', 'unserved', '--json'])
    ).json<{
      id: string;
    }>();
    const shown = await infer.ask(['inspect', 'job', id, '--payload', '--json']);
    expect(shown.stdout).toMatch(/JPEG image of \d+ B/);
  });

  it.each([
    ['damaged', () => readFileSync(files.red).subarray(0, -40), /cannot be decoded/],
    ['too large', hugePng, /40000 x 40000 pixels, more than 64 million/],
  ])('fails a %s one with the reason and the fix', async (name, content, reason) => {
    const done = await submit(infer.file(`${name}.img`, content()), '--json');
    expect(done.exitCode).toBe(1);
    expect(done.json()).toMatchObject({
      state: 'failed',
      error: { code: 'INPUT_IMAGE', message: expect.stringMatching(reason), hint: expect.any(String) },
    });
  });
});

describe('infer models check of a model that takes images', () => {
  const check = (...more: string[]) =>
    infer.run(['models', 'check', 'colors', '--models', path.join(infer.dir, 'models'), '--json', ...more]);

  it('runs an image as a worker does: one that was made up, or a file', async () => {
    const made = await check();
    expect(made.exitCode).toBe(0);
    expect(made.json()).toMatchObject({ input: expect.stringMatching(/^data:image\/png/), result: {} });
    expect((await check('--input', files.green)).json()).toMatchObject({ result: { label: 'green' } });
    const rows = infer.file('check.ndjson', lines({ image: path.basename(files.blue) }));
    expect((await check('--input', rows)).json()).toMatchObject({ result: { label: 'blue' } });
  });

  it('says why an image cannot be prepared', async () => {
    const bad = infer.file('bad.jpg', readFileSync(files.red).subarray(0, -40));
    const refused = await check('--input', bad);
    expect([refused.exitCode, refused.json()]).toMatchObject([
      65,
      {
        error: {
          code: 'INPUT_IMAGE',
          message: expect.stringMatching(
            /fails on the first row of .*the JPEG image cannot be decoded: premature end/,
          ),
        },
      },
    ]);
  });

  it('is added with its task', async () => {
    const target = path.join(infer.dir, 'added');
    const from = path.join(infer.dir, 'models', 'colors');
    const added = await infer.run(['models', 'add', from, '--models', target, '--json']);
    expect([added.exitCode, added.json()]).toMatchObject([0, { files: ['1/model.onnx', 'model.json'] }]);
  });
});

describe('infer submit of rows with images', () => {
  it('reads paths relative to the file, and data URLs', async () => {
    const url = `data:image/png;base64,${readFileSync(files.green).toString('base64')}`;
    const rows = lines({ image: 'red.jpg', n: 1 }, { image: url }, 'blue.webp');
    const { stdout } = await submit(infer.file('rows.ndjson', rows), '--quiet');
    const result = await infer.ask(['result', stdout.trim()]);
    expect(result.rows().map(({ label }) => label)).toEqual(['red', 'green', 'blue']);
  });

  it('fails bad images alone', async () => {
    const bad = `data:image/png;base64,${readFileSync(files.green).subarray(0, 60).toString('base64')}`;
    const rows = lines({ image: 'red.jpg' }, { image: bad }, { image: 'blue.webp' });
    const { stdout, exitCode } = await submit(infer.file('some.ndjson', rows), '--quiet');
    expect(exitCode).toBe(3);
    const result = await infer.ask(['result', stdout.trim()]);
    expect(result.rows()).toMatchObject([
      { label: 'red' },
      { error: { code: 'INPUT_IMAGE', message: expect.stringContaining('PNG') } },
      { label: 'blue' },
    ]);
  });

  it.each([
    ['cat.jpg', 66, /line 2: there is no file cat\.jpg/],
    ['https://user:secret@example.com/cat.jpg', 65, /line 2: \S+ has a user name or password in it/],
    [7, 65, /line 2: one number found; input 'image' of model colors takes an image/],
  ])('refuses the row %s by its line, and queues nothing', async (image, exit, message) => {
    const done = await submit(infer.file('bad.ndjson', lines({ image: 'red.jpg' }, { image })));
    expect(done.exitCode).toBe(exit);
    expect(done.stderr.replace(/\s+/g, ' ')).toMatch(message);
  });
});

describe('infer models', () => {
  it('shows that a model takes images', async () => {
    const shown = await infer.ask(['models', '--models', path.join(infer.dir, 'models')]);
    expect(shown.stdout).toMatch(/colors\s+1\s+image image\[batch\]/);
    expect(shown.stdout).toContain('image-classification');
  });
});

describe('a program', () => {
  it('gives the bytes of images, one or several', async () => {
    const program = await infer.script(
      `
      import { readFileSync } from 'node:fs';
      import { InferClient } from 'infer-queue';
      const client = await InferClient.connect({ redis: process.env.SERVER });
      const [red, blue] = ['red.jpg', 'blue.webp'].map((name) => readFileSync(process.env.DIR + '/' + name));
      const one = await client.run(red, { model: 'colors', timeoutMs: 60_000 });
      const both = await client.run([red, blue], { model: 'colors', timeoutMs: 60_000 });
      const named = await client.run({ image: blue }, { model: 'colors', timeoutMs: 60_000 });
      console.log(JSON.stringify([one, both, named].map(({ result }) => [result].flat().map((row) => row.label))));
      await client.close();`,
      { env: { SERVER: redis.url, DIR: infer.dir } },
    );
    expect(program.stderr).toBe('');
    expect(JSON.parse(program.stdout)).toEqual([['red'], ['red', 'blue'], ['blue']]);
  });
});

describe('infer serve', () => {
  it('takes an image as the body, as a data URL and as an element of the Open Inference Protocol', async () => {
    const server = await startServer(infer);
    const file = readFileSync(files.blue);
    const url = `data:image/webp;base64,${file.toString('base64')}`;
    const post = async (where: string, type: string, body: string | Uint8Array) => {
      const headers = { 'content-type': type, prefer: 'wait=60' };
      const answer = await fetch(server.url + where, { method: 'POST', headers, body });
      return (await answer.json()) as Record<string, unknown>;
    };
    const bare = await post('/v1/jobs?model=colors', 'image/webp', file);
    expect(bare).toMatchObject({ state: 'completed', result: { label: 'blue' } });
    const json = JSON.stringify({ model: 'colors', input: { image: url } });
    expect(await post('/v1/jobs', 'application/json', json)).toMatchObject({ result: { label: 'blue' } });
    const inputs = [{ name: 'image', shape: [1], datatype: 'BYTES', data: [url] }];
    const oip = await post('/v2/models/colors/infer', 'application/json', JSON.stringify({ inputs }));
    expect(oip.outputs).toContainEqual(expect.objectContaining({ name: 'label', data: ['blue'] }));
    // A path is never opened by a gateway.
    const path = JSON.stringify({ model: 'colors', input: { image: files.blue } });
    expect(await post('/v1/jobs', 'application/json', path)).toMatchObject({ code: 'INPUT_IMAGE' });
    expect(await post('/v1/jobs?model=colors', 'image/png', 'no image')).toMatchObject({
      code: 'INPUT_IMAGE',
    });
    await server.stop();
  });
});
