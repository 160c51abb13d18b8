import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { useInfer } from '../support/cli.js';
import { buildModel, type Graph, writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';
import { startServer } from '../support/serve.js';
import { BERT_CONFIG, bertTokenizer, encoder, meanOf, stateOf, textScores } from '../support/text-models.js';

const redis = useRedis();
const infer = useInfer(redis);

const LABELS = ['good', 'bad', 'neither'];
const FILES = { files: { 'tokenizer.json': bertTokenizer(), 'tokenizer_config.json': BERT_CONFIG } };
const CLASSIFIER = { task: 'text-classification', labels: LABELS, scores: 'logits' };

/** Texts and their ids, written by hand. */
const TEXTS: Record<string, number[]> = {
  low: [1, 13, 2],
  'want lowest': [1, 5, 14, 2],
  'UNwant\u00E9d,running': [1, 9, 6, 7, 12, 10, 11, 2],
  'low, low, low, low, lowest': [1, 13, 12, 13, 12, 13, 12, 13, 12, 14, 2],
};
const texts = Object.keys(TEXTS);

let models: string;
beforeAll(async () => {
  models = path.join(infer.dir, 'models');
  writeModel(models, 'mood', textScores(), CLASSIFIER, FILES);
  writeModel(models, 'leaky', textScores({ masked: false }), CLASSIFIER, FILES);
  writeModel(
    models,
    'strict',
    textScores(),
    { ...CLASSIFIER, tokenizer: { maxLength: 6, truncate: false } },
    FILES,
  );
  writeModel(models, 'vectors', encoder(), { task: 'embedding', pooling: 'cls', normalize: true }, FILES);
  writeExport('hub', textScores(), {
    'config.json': JSON.stringify({
      architectures: ['BertForSequenceClassification'],
      max_position_embeddings: 32,
      id2label: Object.fromEntries(LABELS.entries()),
    }),
  });
  writeExport('sentences', encoder(), {
    'config.json': JSON.stringify({ architectures: ['BertModel'] }),
    'modules.json': JSON.stringify(
      ['Transformer', 'Pooling', 'Normalize'].map((step) => ({
        type: `sentence_transformers.models.${step}`,
      })),
    ),
    '1_Pooling/config.json': JSON.stringify({ pooling_mode_cls_token: true }),
  });
  await infer.worker(['--models', models]);
});

/** A Hugging Face export with a tokenizer, and no model.json. */
function writeExport(name: string, graph: Graph, files: Record<string, string>): void {
  const dir = path.join(models, name);
  for (const [file, content] of Object.entries({ ...FILES.files, ...files })) {
    mkdirSync(path.dirname(path.join(dir, file)), { recursive: true });
    writeFileSync(path.join(dir, file), content);
  }
  writeFileSync(path.join(dir, 'model.onnx'), buildModel(graph));
}

/** Class and confidence of a text, by another way than the model's. */
function expected(text: string): { label: string; confidence: number } {
  const scores = meanOf(TEXTS[text] as number[]).map(Math.exp);
  const best = scores.indexOf(Math.max(...scores));
  const sum = scores.reduce((all, score) => all + score, 0);
  return { label: LABELS[best] as string, confidence: (scores[best] as number) / sum };
}

function vectorOf(text: string): number[] {
  const vector = stateOf(TEXTS[text] as number[], 0);
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

const near = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 4) as number);
const asRow = (text: string) => {
  const { label, confidence } = expected(text);
  return { label, confidence: expect.closeTo(confidence, 4) as number };
};
const submit = (file: string, model: string, ...more: string[]) =>
  infer.run(['submit', file, '--model', model, '--wait', '60s', ...more]);
const resultsOf = async (id: string) => (await infer.ask(['result', id.trim()])).rows();
const lines = (...rows: unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

describe('infer submit of texts', () => {
  it.each(['mood', 'leaky', 'hub'])(
    'gives each row its class, whatever its length and its neighbours: %s',
    async (model) => {
      const rows = texts.flatMap((text) => [{ text, id: 1 }, text]);
      const { stdout } = await submit(infer.file('rows.ndjson', lines(...rows)), model, '--quiet');
      expect(await resultsOf(stdout)).toMatchObject(texts.flatMap((text) => [asRow(text), asRow(text)]));
    },
  );

  it('reads a .txt file line by line', async () => {
    const file = infer.file('rows.txt', `\uFEFF${texts.join('\r\n')}\n\n`);
    const { stdout } = await submit(file, 'mood', '--quiet');
    expect(await resultsOf(stdout)).toMatchObject(texts.map(asRow));
  });

  it('fails bad rows alone, with the reason and the fix', async () => {
    const file = infer.file('some.ndjson', lines('low', '', ' \t', 'low low low low low', 'want lowest'));
    const { stdout, exitCode } = await submit(file, 'strict', '--quiet');
    expect(exitCode).toBe(3);
    const failed = (message: RegExp) => ({
      error: { code: 'INPUT_TEXT', message: expect.stringMatching(message), hint: expect.any(String) },
    });
    expect(await resultsOf(stdout)).toMatchObject([
      asRow('low'),
      failed(/an empty text/),
      failed(/it is blank/),
      failed(/more than the 4 tokens/),
      asRow('want lowest'),
    ]);
  });

  it('cuts a line of 10 MB, and runs it with the others', async () => {
    const file = infer.file('long.txt', `low\n${'low '.repeat(2_500_000)}\nlow\n`);
    const { stdout } = await submit(file, 'mood', '--quiet');
    expect(await resultsOf(stdout)).toMatchObject([
      asRow('low'),
      { label: expect.any(String) },
      asRow('low'),
    ]);
  });

  it.each([
    ['a NUL', '"low"\n"a\\u0000b"\n', /line 2: .*NUL/],
    ['a lone surrogate', '"low"\n"a\\ud800b"\n', /line 2: .*surrogate/],
  ])('refuses a row with %s by its line', async (_name, content, message) => {
    const done = await submit(infer.file('bad.ndjson', content), 'mood');
    expect(done.exitCode).toBe(65);
    expect(done.stderr.replace(/\s+/g, ' ')).toMatch(message);
  });
});

describe('infer models', () => {
  it('shows that a model takes texts, how long they may be and whether they are padded', async () => {
    const shown = await infer.ask(['models', '--models', models]);
    const text = `${shown.stdout}${shown.stderr}`.replace(/\s+/g, ' ');
    expect(text).toMatch(/mood 1 text text\[batch\]/);
    expect(text).toContain('mood: tokenizer.maxLength: tokenizer_config.json model_max_length (40)');
    expect(text).toMatch(/leaky: padding changes results \(by [\d.e-]+ at 16 instead of 13 tokens\)/);
    expect(text).not.toMatch(/mood: padding/);
    expect(text).toContain('hub: task: assumed from config.json architectures[0]');
    expect(text).toContain('hub: tokenizer.maxLength: config.json max_position_embeddings (32)');
    expect(text).toContain('sentences: pooling: 1_Pooling/config.json pooling_mode_cls_token');
  });

  it.each([
    ['no tokenizer', {}, /needs a tokenizer, and there is no tokenizer.json .*copy tokenizer.json/],
    [
      'a tokenizer of an unknown kind',
      { 'tokenizer.json': bertTokenizer().replace('"WordPiece","unk_token"', '"WordLevel","unk_token"') },
      /broken\/tokenizer.json: a tokenizer of kind WordLevel is not supported; WordPiece, BPE, Unigram are/,
    ],
  ])('says why a model with %s does not load', async (_name, files, message) => {
    const dir = path.join(infer.dir, `broken-${Object.keys(files).length}`);
    writeModel(dir, 'broken', textScores(), CLASSIFIER, { files });
    const shown = await infer.run(['models', '--models', dir]);
    expect(`${shown.stdout}${shown.stderr}`.replace(/\s+/g, ' ')).toMatch(message);
  });
});

describe('a program', () => {
  it('gives a text, several, or a row with its name', async () => {
    const program = await infer.script(
      `
      import { InferClient } from 'infer-queue';
      const client = await InferClient.connect({ redis: process.env.SERVER });
      const ask = (input) => client.run(input, { model: 'mood', timeoutMs: 60_000 });
      const all = [await ask('low'), await ask(['low', 'want lowest']), await ask({ text: 'want lowest' })];
      console.log(JSON.stringify(all.map(({ result }) => [result].flat())));
      await client.close();`,
      { env: { SERVER: redis.url } },
    );
    expect(program.stderr).toBe('');
    const [low, want] = [asRow('low'), asRow('want lowest')];
    expect(JSON.parse(program.stdout)).toMatchObject([[low], [low, want], [want]]);
  });
});

describe('infer serve', () => {
  it("takes texts as JSON, as elements of the Open Inference Protocol and from OpenAI's clients", async () => {
    const server = await startServer(infer);
    const post = async (where: string, body: unknown, more: Record<string, string> = {}) => {
      const headers = { 'content-type': 'application/json', ...more };
      const answer = await fetch(server.url + where, { method: 'POST', headers, body: JSON.stringify(body) });
      return (await answer.json()) as Record<string, unknown>;
    };
    const wait = { prefer: 'wait=60' };
    const job = await post('/v1/jobs', { model: 'mood', input: ['low', 'want lowest'] }, wait);
    expect(job).toMatchObject({ state: 'completed', result: [asRow('low'), asRow('want lowest')] });
    const inputs = [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['low'] }];
    const oip = await post('/v2/models/mood/infer', { inputs });
    expect(oip.outputs).toContainEqual(
      expect.objectContaining({ name: 'label', data: [expected('low').label] }),
    );
    const data = texts.map((text, index) => ({ index, embedding: near(vectorOf(text)) }));
    for (const model of ['vectors', 'sentences'])
      expect(await post('/v1/embeddings', { model, input: texts })).toMatchObject({ object: 'list', data });
    await server.stop();
  });
});
