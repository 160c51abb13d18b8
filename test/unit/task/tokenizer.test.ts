import { beforeAll, describe, expect, it } from 'vitest';
import { bucketOf } from '../../../src/lib/task/text-plan.js';
import { TextTokenizer } from '../../../src/lib/task/tokenizer.js';
import { BERT_CONFIG, bertTokenizer, gptTokenizer } from '../../support/text-models.js';

const ALL = { maxLength: 512, truncate: true };
const [CLS, SEP, PAD] = [1, 2, 3];
const LOW = 13;

let bert: TextTokenizer;
beforeAll(async () => {
  bert = await TextTokenizer.open(bertTokenizer(), BERT_CONFIG);
});

describe('the ids of a text', () => {
  it("are those of transformers' test of BERT: lower case, no accents, pieces of words", () => {
    expect(bert.encode('UNwant\u00E9d,running', ALL)).toEqual([CLS, 9, 6, 7, 12, 10, 11, SEP]);
  });

  it("are those of transformers' test of GPT-2: merged bytes", async () => {
    const gpt = await TextTokenizer.open(gptTokenizer());
    expect(gpt.encode('lower newer', ALL)).toEqual([14, 15, 10, 9, 3, 2, 15]);
  });

  it('have the token for unknown words in their place', () => {
    expect(bert.encode('low xyz low', ALL)).toEqual([CLS, LOW, 0, LOW, SEP]);
  });

  it('are cut so that the special ones still fit', () => {
    expect(bert.encode('low low low low low', { maxLength: 5, truncate: true })).toEqual([
      CLS,
      LOW,
      LOW,
      LOW,
      SEP,
    ]);
  });

  it('are cut on the left where the tokenizer says so', async () => {
    const config = JSON.stringify({ truncation_side: 'left' });
    const left = await TextTokenizer.open(bertTokenizer(), config);
    expect(left.encode('low want lowest', { maxLength: 4, truncate: true })).toEqual([CLS, 5, 14, SEP]);
  });

  it('are the same for a long text as for all of it, from either side', async () => {
    const words = Array.from({ length: 200_000 }, (_, i) => ['low', 'want', 'lowest', '\u{1F600}'][i % 4]);
    const text = words.join('   ');
    const kept = { maxLength: 9, truncate: true };
    expect(bert.encode(text, kept)).toEqual([CLS, 13, 5, 14, 0, 13, 5, 14, SEP]);
    const left = await TextTokenizer.open(bertTokenizer(), JSON.stringify({ truncation_side: 'left' }));
    expect(left.encode(text, kept)).toEqual([CLS, 5, 14, 0, 13, 5, 14, 0, SEP]);
  });

  it('are found behind a million blanks', () => {
    expect(bert.encode(`${' '.repeat(1_000_000)}low`, { maxLength: 9, truncate: true })).toEqual([
      CLS,
      LOW,
      SEP,
    ]);
  });
});

describe('a text is refused', () => {
  it.each([
    ['', 'an empty text has no tokens'],
    [' \t\n ', 'the text has no tokens: it is blank'],
    ['\u0001\u200b', 'the text has no tokens: it is blank'],
  ])('without tokens: %j', (text, message) => {
    expect(() => bert.encode(text, ALL)).toThrow(expect.objectContaining({ code: 'INPUT_TEXT', message }));
  });

  it('with more tokens than fit, where it may not be cut', () => {
    const whole = { maxLength: 4, truncate: false };
    expect(bert.encode('low low', whole)).toHaveLength(4);
    expect(() => bert.encode('low low low', whole)).toThrow(
      expect.objectContaining({
        code: 'INPUT_TEXT',
        message: 'the text has more than the 2 tokens that the model takes',
        hint: expect.stringContaining('"truncate": true'),
      }),
    );
  });

  it('with a token that the vocabulary does not have, not even for unknown ones', async () => {
    const json = JSON.parse(gptTokenizer()) as { model: Record<string, unknown> };
    json.model.unk_token = '<nowhere>';
    const strict = await TextTokenizer.open(JSON.stringify(json));
    expect(() => strict.encode('low zzz', ALL)).toThrow(expect.objectContaining({ code: 'INPUT_TEXT' }));
    expect(strict.encode('low', ALL)).toEqual([14]);
  });
});

describe('a tokenizer', () => {
  it('names the token and the side of padding, and its length', async () => {
    expect(bert).toMatchObject({ padId: PAD, padSide: 'right', maxLength: 40, special: 2 });
    const object = { pad_token: { content: '[MASK]' }, padding_side: 'left', model_max_length: 1e30 };
    const other = await TextTokenizer.open(bertTokenizer(), JSON.stringify(object));
    expect(other).toMatchObject({ padId: 4, padSide: 'left', maxLength: undefined });
    const half = await TextTokenizer.open(bertTokenizer(), JSON.stringify({ model_max_length: 7.5 }));
    expect(half.maxLength).toBeUndefined();
  });

  it.each([
    ['{', /it is not JSON/],
    ['[]', /it is not a JSON object/],
    [
      '{"model": {"type": "WordLevel", "vocab": {}}}',
      /kind WordLevel is not supported; WordPiece, BPE, Unigram are/,
    ],
    ['{}', /kind undefined is not supported/],
    ['{"model": {"type": "BPE"}}', /must contain a "decoder" property/],
    [bertTokenizer().replace('BertPreTokenizer', 'Mystery'), /Unknown PreTokenizer type: Mystery/],
  ])('is refused with the reason: %.30s', async (text, reason) => {
    await expect(TextTokenizer.open(text)).rejects.toThrow(reason);
  });
});

describe('lengths that rows are padded to', () => {
  it('are few, never less than the tokens, and at most a quarter more from 32 tokens on', () => {
    const lengths = new Set<number>();
    for (let tokens = 1; tokens <= 512; tokens++) {
      const length = bucketOf(tokens, 512);
      lengths.add(length);
      expect(length).toBeGreaterThanOrEqual(tokens);
      if (tokens > 32) expect(length).toBeLessThanOrEqual(tokens * 1.25);
    }
    expect(lengths.size).toBe(20);
    expect(bucketOf(100, 77)).toBe(77);
  });
});
