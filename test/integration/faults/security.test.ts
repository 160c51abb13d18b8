import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Outcome, useInfer } from '../../support/cli.js';
import { doubler, externalWeights, writeModel } from '../../support/onnx-builder.js';
import { useRedis } from '../../support/redis.js';
import { childrenOf, type TestWorker } from '../../support/worker.js';

/** Searched for in all output; a number too, since tensors hold numbers. */
const PASSWORD = 'canary-password-7hq2';
const WORD = 'canary-word-x91k';
const NUMBER = 31_415_926;
const CLEAR = '\u001b[2J\u001b]0;owned\u0007';

/** Its errors quote the row and its results contain control characters: the worst that a handler may do. */
const HANDLER = `
export function preprocess(row) {
  if (row.fail) throw new Error('cannot read ' + JSON.stringify(row) + '\\u001b[2J');
  if (row.die) { console.error('dying of ' + JSON.stringify(row)); process.exit(3); }
  return { x: [row.n, 1, 2, 3] };
}
export function postprocess(outputs, context) {
  return { text: '\\u001b[31mred\\u0007', ok: true };
}`;

const redis = useRedis({
  port: true,
  password: PASSWORD,
  args: ['--loglevel', 'debug', '--logfile', 'server.log'],
});
const infer = useInfer(redis);
const DEBUG = { INFER_DEBUG: '1', INFER_LOG_LEVEL: 'debug' };
let models = '';
let worker: TestWorker;
const said: string[] = [];

/** Runs a command with all its debug output, and keeps the output. */
async function run(args: string[], stdin?: string): Promise<Outcome> {
  const outcome = await infer.run(args, { env: DEBUG, ...(stdin === undefined ? {} : { stdin }) });
  said.push(outcome.stderr);
  return outcome;
}

const submit = (row: object, ...more: string[]) =>
  run(['submit', '-', '--model', 'hostile', '--models', models, ...more], JSON.stringify(row));

beforeAll(async () => {
  models = path.join(infer.dir, 'models');
  writeModel(
    models,
    'hostile',
    doubler(),
    { handler: './handler.mjs' },
    { files: { 'handler.mjs': HANDLER } },
  );
  const args = ['--models', models, '--model', 'hostile', '--log-level', 'debug'];
  worker = await infer.worker(args, { env: DEBUG });
});

afterAll(async () => {
  await worker.stop();
});

describe('secrets planted in payloads and passwords', () => {
  it('appear in no output, log, listing or process list', async () => {
    const secret = { word: WORD, n: NUMBER };
    const good = await submit({ ...secret }, '--wait', '--json');
    expect(good.json()).toMatchObject({ state: 'completed' });
    const failed = await submit({ ...secret, fail: true }, '--wait', '--id', 'failed-one');
    expect(failed.exitCode).toBe(1);
    const died = await submit({ ...secret, die: true }, '--wait', '--retries', '1', '--retry-delay', '10ms');
    expect(died.exitCode).toBe(1);
    said.push(good.stdout);
    const looks = await Promise.all([
      run(['inspect']),
      run(['inspect', '--json']),
      run(['models', '--models', models]),
    ]);
    said.push(...looks.map((look) => look.stdout));
    const wrong = await infer.run(['inspect'], {
      env: DEBUG,
      redis: redis.url.replace(PASSWORD, `${PASSWORD}-wrong`),
    });
    expect(wrong.exitCode).toBe(77);
    said.push(wrong.stdout, wrong.stderr);
    await worker.said(/runner replaced/);
    // What a handler prints is logged because its author wants it.
    const ownWords = worker.stderr.split('\n').filter((line) => !line.includes('"handler":'));
    said.push(ownWords.join('\n'), readFileSync(path.join(redis.dir, 'server.log'), 'utf8'));
    for (const pid of [worker.pid, ...childrenOf(worker.pid)])
      said.push(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
    for (const text of said) {
      expect(text).not.toContain(PASSWORD);
      expect(text).not.toContain(WORD);
      expect(text).not.toContain(String(NUMBER));
    }
  });

  it('appear in a failure message only for the submitter of the job', async () => {
    const result = await run(['result', 'failed-one', '--json']);
    expect(result.json()).toMatchObject({ state: 'failed', error: { code: 'HANDLER_FAILED' } });
    expect(result.stdout).not.toContain(PASSWORD);
    expect(result.stderr).not.toContain(WORD);
  });

  it('do not appear in an error about broken input, which gives the position only', async () => {
    for (const stdin of [`{"word": "${WORD}", "n": ${NUMBER}`, `["${WORD}", ${NUMBER}`]) {
      const bad = await run(['submit', '-', '--model', 'hostile', '--models', models], stdin);
      expect(bad.exitCode).toBe(65);
      expect(bad.stdout + bad.stderr).not.toContain(WORD);
      expect(bad.stdout + bad.stderr).not.toContain(String(NUMBER));
    }
  });
});

describe('control characters', () => {
  it.each([
    ['result of a handler', () => submit({ n: 1 }, '--wait')],
    ['error of a handler', () => submit({ n: 1, fail: true }, '--wait')],
    ['failure asked for later', () => run(['result', 'failed-one'])],
    ['unknown id', () => run(['result', `x${CLEAR}`])],
    ['id', () => submit({ n: 1 }, '--id', `x${CLEAR}`)],
    ['model', () => run(['submit', '-', '--model', `m${CLEAR}`], '[1]')],
    ['queue', () => submit({ n: 1 }, '-Q', `q${CLEAR}`)],
    ['flag', () => run(['submit', `--no${CLEAR}`])],
    ['file', () => run(['submit', `file${CLEAR}`])],
  ])('never reach a terminal: %s', async (_, command) => {
    const { stdout, stderr } = await command();
    expect(stdout + stderr).not.toBe('');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    expect(stdout + stderr).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
  });
});

describe('a worker loading model files', () => {
  const refused = async (name: string, what: RegExp) => {
    const dir = path.join(infer.dir, 'bad-models');
    const run = await infer.run(['worker', '--models', dir, '--model', name, '--burst']);
    expect([run.exitCode, run.stdout]).toEqual([expect.any(Number), '']);
    expect(run.exitCode).not.toBe(0);
    expect(run.stderr).toMatch(what);
    expect(run.stderr).toContain('Try: ');
    expect(run.stderr).not.toContain('    at ');
  };

  beforeAll(() => {
    const dir = path.join(infer.dir, 'bad-models');
    const outside = path.join(infer.dir, 'outside');
    writeModel(outside, 'real', doubler());
    writeModel(dir, 'linked', doubler(), { handler: './handler.mjs' });
    writeFileSync(path.join(outside, 'handler.mjs'), 'export const postprocess = () => 1;');
    symlinkSync(path.join(outside, 'handler.mjs'), path.join(dir, 'linked/handler.mjs'));
    writeFileSync(path.join(outside, 'weights.bin'), Buffer.alloc(8));
    writeModel(dir, 'reaching', externalWeights('../../../outside/weights.bin'));
  });

  it("refuses handler code that is a link out of its model's directory", () =>
    refused('linked', /leads out/));
  it("refuses weights outside the model's directory", () => refused('reaching', /outside|weights|external/));
});

describe('malicious JSON', () => {
  it.each([
    ['nested without end', `{"n": ${'['.repeat(20_000)}${']'.repeat(20_000)}}`, /deep/],
    ['a prototype', '{"n": 1, "__proto__": {"admin": true}}', /__proto__/],
    ['larger than a row may be', `{"n": "${'a'.repeat(65 * 1024 * 1024)}"}`, /MB|large|big/],
  ])('is rejected with exit 65, and nothing is queued: %s', async (_, stdin, what) => {
    const bad = await run(['submit', '-', '--model', 'hostile', '--models', models, '-Q', 'hurt'], stdin);
    expect(bad.exitCode).toBe(65);
    expect(bad.stderr).toMatch(what);
    expect(bad.stdout).toBe('');
    const client = await redis.client();
    expect(await client.keys('{infer:hurt}*')).toEqual([]);
  });
});
