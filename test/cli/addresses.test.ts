import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useInfer } from '../support/cli.js';
import { expectFailure } from '../support/failure.js';
import { meanColors } from '../support/image-models.js';
import { writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);

const COLORS = { red: '#f01010', green: '#10f010', blue: '#1010f0' };
const files = new Map<string, Uint8Array>();
let server: Server;
let base = '';

beforeAll(async () => {
  for (const [name, background] of Object.entries(COLORS)) {
    const picture = sharp({ create: { width: 40, height: 30, channels: 3, background } });
    // The kind is known by the bytes, not by the name.
    files.set(`/${name}`, await picture.png().toBuffer());
  }
  server = createServer((request, answer) => {
    const file = files.get((request.url ?? '').split('?')[0] as string);
    if (file === undefined) answer.writeHead(404).end();
    else answer.end(file);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const models = path.join(infer.dir, 'models');
  mkdirSync(models);
  writeModel(models, 'colors', meanColors(), {
    task: 'image-classification',
    labels: Object.keys(COLORS),
    scores: 'probabilities',
    preprocess: { size: { shortestEdge: 16 }, crop: 12 },
  });
  infer.file('red.png', files.get('/red') as Uint8Array);
  await infer.worker(['--models', models]);
});
afterAll(() => new Promise((done) => server.close(done)));

const lines = (...rows: unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

describe('infer submit of an address', () => {
  it('is answered with the class of its image', async () => {
    const done = await infer.run(['submit', `${base}/green`, '-m', 'colors', '--wait', '60s', '--json']);
    expect(done.json()).toMatchObject({ state: 'completed', result: { label: 'green' } });
  });

  it('fetches the images that rows name, next to paths and data URLs', async () => {
    const url = `data:image/png;base64,${Buffer.from(files.get('/blue') as Uint8Array).toString('base64')}`;
    const rows = lines(
      { image: `${base}/green` },
      { image: 'red.png' },
      { image: url },
      `${base}/blue?signed=1`,
    );
    const file = infer.file('rows.ndjson', rows);
    const { stdout } = await infer.run(['submit', file, '-m', 'colors', '--wait', '60s', '--quiet']);
    const result = await infer.ask(['result', stdout.trim()]);
    expect(result.rows().map(({ label }) => label)).toEqual(['green', 'red', 'blue', 'blue']);
    const one = infer.file('one.json', JSON.stringify({ image: [`${base}/blue`, `${base}/red`] }));
    const both = await infer.ask(['submit', one, '-m', 'colors', '--wait', '60s', '--quiet']);
    const two = await infer.ask(['result', both.stdout.trim()]);
    expect(two.rows().map(({ label }) => label)).toEqual(['blue', 'red']);
  });

  it('names the line of an address that gives nothing, and queues nothing', async () => {
    const file = infer.file(
      'gone.ndjson',
      lines({ image: `${base}/red` }, { image: `${base}/gone?key=secret` }),
    );
    await expectFailure(infer, ['submit', file, '-m', 'colors'], {
      exitCode: 66,
      code: 'INPUT_FETCH',
      message: /line 2: \S+\/gone answered\s+404/,
      fix: /check the address/,
    });
  });
});

describe('infer score of addresses', () => {
  it('writes the file of each row, and leaves no copy behind', async () => {
    const output = path.join(infer.dir, 'scored.ndjson');
    const temporary = path.join(infer.dir, 'tmp');
    mkdirSync(temporary);
    const words = [`${base}/blue?signed=1`, path.join(infer.dir, 'red.png')];
    const run = await infer.run(['score', ...words, '-m', 'colors', '-o', output], {
      env: { TMPDIR: temporary },
    });
    expect(run.exitCode).toBe(0);
    const rows = readFileSync(output, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(rows.map((row) => [row.file, row['prediction.label']])).toEqual([
      [`${base}/blue`, 'blue'],
      [path.join(infer.dir, 'red.png'), 'red'],
    ]);
    const left = await infer.ask(['submit', `${base}/none`, 'red.png', '-m', 'colors'], {
      cwd: infer.dir,
      env: { TMPDIR: temporary },
    });
    expect(left.exitCode).toBe(66);
    expect(readdirSync(temporary).filter((name) => name.startsWith('infer-input-'))).toEqual([]);
  });
});
