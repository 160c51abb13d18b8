import { chmodSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useInfer } from '../support/cli.js';
import { npyFile } from '../support/digits.js';
import { type ExpectedFailure, expectFailure } from '../support/failure.js';
import { adder, doubler, tokens, writeModel } from '../support/onnx-builder.js';
import { asOrdinaryUser } from '../support/ordinary-user.js';
import { inspect } from '../support/overview.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
const through = asOrdinaryUser();

beforeAll(async () => {
  const models = path.join(infer.dir, 'models');
  writeModel(models, 'doubler', doubler());
  writeModel(models, 'adder', adder());
  writeModel(models, 'tokens', tokens());
  // Publishes what the models take, and exits before anything is sent.
  const worker = await infer.worker(['--models', models, '--burst']);
  expect(await worker.exited).toBe(0);
  expect((await inspect(infer)).queues.flatMap((queue) => queue.waiting)).not.toContain(1);
});

// Nothing that this file sends may be queued: `inspect` confirms it at the end.
afterAll(async () => {
  const { queues } = await inspect(infer);
  for (const { waiting, active, delayed, completed } of queues) {
    expect({ waiting, active, delayed, completed }).toEqual({
      waiting: 0,
      active: 0,
      delayed: 0,
      completed: 0,
    });
  }
});

const bad = (
  message: string | RegExp,
  fix: string | RegExp,
  code: string | RegExp = /^INPUT_/,
): ExpectedFailure => ({
  exitCode: 65,
  code,
  message,
  fix,
});
const send = (model: string, stdin: string | Uint8Array, expected: ExpectedFailure) =>
  expectFailure(infer, ['submit', '-', '--model', model], expected, { stdin });
const line = (...values: unknown[]): string => values.map((value) => JSON.stringify(value)).join('\n');

describe('malformed text input', () => {
  it.each<[string, string, string | RegExp, string | RegExp]>([
    ['malformed JSON', '{"x": [1, 2, 3, 4', /line 1, column \d+: malformed JSON/, 'jq . < FILE'],
    ['a comma too many', '[1, 2,, 4]', /line 1, column 7: malformed JSON/, 'jq . < FILE'],
    ['NaN, which is not JSON', '[1, 2, NaN, 4]', /line 1, column 8: .*NaN/, 'jq'],
    ['nothing at all', '', /standard input (is empty|holds nothing)/, 'give one row or more'],
  ])('is rejected with its place and fix: %s', (_, stdin, message, fix) =>
    send('doubler', stdin, bad(message, fix)),
  );

  it('is rejected with the line number in NDJSON', () =>
    send(
      'doubler',
      `${line([1, 2, 3, 4], [5, 6, 7, 8])}\n[9, 10, 11\n`,
      bad(/line 3, column \d+: malformed JSON/, 'sed -n 3p FILE'),
    ));

  it('withdraws the thousand NDJSON rows that were queued before it', () =>
    send(
      'doubler',
      `${Array(1000).fill('[1,2,3,4]').join('\n')}\n{"x":\n`,
      bad(/line 1001, column \d+: malformed JSON/, 'sed -n 1001p FILE'),
    ));

  it('is rejected when a .npy file ends early', () =>
    send(
      'doubler',
      npyFile([[1, 2, 3, 4]]).subarray(0, -3),
      bad('the .npy file ends in row 1 of 1', 'copy or save it again: it is cut short'),
    ));
});

describe('rows that do not fit the model', () => {
  it.each<[string, string, string, string | RegExp, string | RegExp]>([
    [
      'too few numbers',
      'doubler',
      '[1, 2, 3]',
      "3 numbers found; input 'x' of model doubler takes 4",
      'shape [4]',
    ],
    ['ragged rows', 'doubler', '[[1, 2, 3, 4], [5, 6, 7]]', /row [12].*3 numbers found/, 'shape [4]'],
    [
      'NDJSON: a row of the wrong shape',
      'doubler',
      line([1, 2, 3, 4], [1, 2]),
      /line 2: 2 numbers found/,
      'shape [4]',
    ],
    [
      'text where numbers belong',
      'doubler',
      '["a", "b", "c", "d"]',
      'element 1 is text',
      'write numbers without quotes',
    ],
    [
      'a number written as text',
      'doubler',
      '[1, 2, 3, "4"]',
      'element 4 is text',
      'write numbers without quotes',
    ],
    ['null among numbers', 'doubler', '[1, 2, null, 4]', 'element 3 is null', 'fill in missing values first'],
    [
      'a number beyond float32',
      'doubler',
      '[1, 2, 3, 1e300]',
      'element 4 is too large for float32',
      'scale the input',
    ],
    [
      'a fraction where whole numbers belong',
      'tokens',
      '[1, 2.5, 3]',
      'element 2 is not a whole number',
      'round it first',
    ],
    ['an empty batch', 'doubler', '[]', 'an empty list holds no rows', 'give one row or more'],
    ['a missing input', 'adder', '{"a": [1, 2, 3]}', /no 'b' found; model adder takes/, 'add a field "b"'],
    [
      'NDJSON: a missing input',
      'adder',
      line({ a: [1, 2, 3], b: [1, 2, 3] }, { a: [1, 2, 3] }),
      /line 2: .*'b'/,
      /"b"/,
    ],
    ['a misspelt input', 'doubler', '{"xx": [1, 2, 3, 4]}', /no 'x' found/, "did you mean 'x'"],
    [
      'an extra input',
      'doubler',
      '{\n"x": [1, 2, 3, 4],\n"z": [1]}',
      "'z' is not an input",
      'remove that field',
    ],
    [
      'inputs of different numbers of rows',
      'adder',
      '{"a": [[1,2,3],[4,5,6]], "b": [[1,2,3]]}',
      "input 'a' holds 2 rows and input 'b' 1",
      'give every input one row, or every input the same number of rows',
    ],
    [
      'a bare array for two inputs',
      'adder',
      '[1, 2, 3]',
      'model adder takes 2 named inputs',
      'write each row as an object: {"a": ..., "b": ...}',
    ],
  ])('are rejected with their fix: %s', (_, model, stdin, message, fix) =>
    send(model, stdin, bad(message, fix)),
  );

  it('are rejected when a .npy file holds NaN', () =>
    send('doubler', npyFile([[1, 2, Number.NaN, 4]]), bad('element 3 is NaN', 'replace it')));

  it('are rejected when a .npy file has the wrong width', () =>
    send('doubler', npyFile([[1, 2, 3]]), bad('an array of shape (1, 3) found', 'reshape it to (rows, 4)')));

  it('are rejected when an Open Inference Protocol request has data that does not match its shape', () =>
    send(
      'doubler',
      JSON.stringify({ inputs: [{ name: 'x', shape: [2, 4], datatype: 'FP32', data: [1, 2, 3] }] }),
      bad('data of 3 numbers found; its shape [2, 4] needs 8 elements', "make shape and data of 'x' agree"),
    ));

  it('are rejected when an Open Inference Protocol request has the wrong type', () =>
    send(
      'doubler',
      JSON.stringify({
        inputs: [{ name: 'x', shape: [1, 4], datatype: 'BYTES', data: ['a', 'b', 'c', 'd'] }],
      }),
      bad('datatype BYTES found', 'write "datatype": "FP32"'),
    ));
});

describe('an input file', () => {
  const missing = (file: string, code: string, message: string | RegExp, fix: string | RegExp) =>
    expectFailure(infer, ['submit', file, '--model', 'doubler'], { exitCode: 66, code, message, fix });

  it('is rejected when it does not exist', () =>
    missing('no-such.json', 'INPUT_MISSING', /there is no file .*no-such\.json/, 'check the path'));

  // Root can read everything.
  it.skipIf(through === undefined)('is rejected when it is not readable', () => {
    const file = infer.file('secret.json', '[1,2,3,4]');
    chmodSync(file, 0o000);
    chmodSync(infer.dir, 0o755);
    const expected = {
      message: 'cannot be read: permission denied',
      fix: 'check its permissions with ls -l',
    };
    return expectFailure(
      infer,
      ['submit', file, '--model', 'doubler'],
      { exitCode: 66, code: 'INPUT_UNREADABLE', ...expected },
      { through: through ?? [], cwd: '/' },
    );
  });
});

describe('names and numbers on the command line', () => {
  const row = ['submit', '-', '--model', 'doubler'];
  const usage = (args: string[], message: string | RegExp, fix: string | RegExp, code: string | RegExp) =>
    expectFailure(infer, [...row, ...args], { exitCode: 2, code, message, fix }, { stdin: '[1,2,3,4]' });

  it('are rejected for an unknown model, with a suggestion and the list of models', () =>
    expectFailure(
      infer,
      ['submit', '-', '--model', 'dubler'],
      {
        exitCode: 66,
        code: 'MODEL_UNKNOWN',
        message: "no model is called 'dubler'",
        fix: /did you mean doubler\?/,
      },
      { stdin: '[1,2,3,4]' },
    ));

  it('are rejected when several models exist and none is named', () =>
    expectFailure(
      infer,
      ['submit', '-'],
      { exitCode: 2, code: 'MODEL_NEEDED', message: 'there are several models: adder', fix: '--model adder' },
      { stdin: '[1,2,3,4]' },
    ));

  it.each(['10', '-1', 'high'])('are rejected for priority %s', (priority) =>
    usage([`--priority=${priority}`], /0\.\.9/, '--priority 9', /^PRIORITY_RANGE$/),
  );

  it.each([
    ['two words', 'two-words'],
    ['{a}', 'a'],
    ['', 'realtime'],
  ])('are rejected for queue name %j', (queue, meant) =>
    usage([`--queue=${queue}`], /queue name/, `--queue ${meant}`, 'USAGE'),
  );

  it.each([
    ['123', 'job-123'],
    ['a b', 'a-b'],
  ])('are rejected for id %j', (id, meant) =>
    usage(['--id', id], 'cannot be a job id', `--id ${meant}`, /^JOB_ID$/),
  );

  // In a queue without that key yet, it would have taken its place and blocked the queue.
  it.each(['wait', 'prioritized'])('are rejected for id %s, which is a key of every queue', (id) =>
    usage(['--id', id], 'cannot be a job id', `${id}-1`, /^JOB_ID$/),
  );

  it.each(['in', 'res'])(
    'are rejected for queue %s, whose job records would collide with inputs or results',
    (queue) => usage([`--queue=${queue}`], /cannot be the name of a queue/, '--queue realtime', 'USAGE'),
  );

  it('are rejected for a duration that does not parse', () =>
    usage(['--result-ttl', 'soon'], "the value 'soon' is not a duration", '--result-ttl 1h', 'USAGE'));
});
