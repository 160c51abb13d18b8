import { describe, expect, it } from 'vitest';
import { toBytes, toElements } from '../../../src/lib/model/layout.js';
import { checkPadding } from '../../../src/lib/model/padding-check.js';
import type { Payload } from '../../../src/lib/model/tensor.js';
import type { TextInputs } from '../../../src/lib/model/text-inputs.js';
import { TextTokenizer } from '../../../src/lib/task/tokenizer.js';
import { BERT_CONFIG, bertTokenizer } from '../../support/text-models.js';

/** A model with a mask that takes at most `maxLength` tokens. */
async function textsOf(maxLength: number): Promise<TextInputs> {
  const tokenizer = await TextTokenizer.open(bertTokenizer(), BERT_CONFIG);
  const input = (name: string) => ({ name, type: 'int64' as const, lead: 0 });
  const text: TextInputs['plan']['text'] = {
    tokenizer: { path: '/m/tokenizer.json', sha: '' },
    maxLength,
    truncate: true,
    lengths: 'buckets',
    padId: 3,
    padSide: 'right',
    inputs: { ids: input('input_ids'), mask: input('attention_mask') },
  };
  const raw = {
    name: 'text',
    type: 'string',
    shape: [],
    shared: false,
    batchAxis: 0,
    modelShape: [],
  } as const;
  return {
    inputs: [{ ...raw, shape: [], modelShape: [] }],
    plan: { kind: 'text', from: 'text', text },
    tokenizer,
    origins: [],
    notes: [],
  };
}

/** The mean of the ids of a row: of all, or of those that the mask names. */
const meanOf = (masked: boolean) => async (input: Payload) => {
  const [ids, mask] = input.tensors.map(({ type, data }) => Array.from(toElements(type, data), Number));
  const counted = (ids as number[]).filter((_, at) => !masked || mask?.[at] === 1);
  const mean = counted.reduce((sum, id) => sum + id, 0) / counted.length;
  return {
    rows: 1,
    tensors: [{ name: 'mean', type: 'float32' as const, shape: [1], data: toBytes(Float32Array.of(mean)) }],
  };
};
const task = { outputs: [], apply: (outputs: Payload) => ({ outputs, failed: [] }) };

describe('texts are not padded where that changes results', () => {
  it.each([4, 8, 12, 13, 14, 16, 40, 512])('for a model of at most %i tokens', async (most) => {
    const leaky = await textsOf(most);
    expect(await checkPadding(leaky, task, meanOf(false))).toEqual([
      expect.stringMatching(/^padding changes results/),
    ]);
    expect(leaky.plan.text.lengths).toBe('own');
    const sound = await textsOf(most);
    expect(await checkPadding(sound, task, meanOf(true))).toEqual([]);
    expect(sound.plan.text.lengths).toBe('buckets');
  });
});
