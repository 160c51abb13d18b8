import type { Graph, Initializer, Node } from './onnx-builder.js';

/** Numbers of a vector. */
const WIDTH = 3;
const CLASSES = 3;

/** A vector for each token of the vocabularies below: all different, none a multiple of another. */
const TABLE = Array.from({ length: 32 * WIDTH }, (_, i) => Math.sin(i * 1.7) + 0.01 * i);

/** The words of BERT's tokenizer in the tests of transformers (tests/models/bert/test_tokenization_bert.py). */
const BERT_WORDS = '[UNK] [CLS] [SEP] [PAD] [MASK] want ##want ##ed wa un runn ##ing , low lowest'.split(' ');

/** A tokenizer.json as Hugging Face writes it for BERT. */
export function bertTokenizer(words: readonly string[] = BERT_WORDS): string {
  const vocab = Object.fromEntries(words.map((word, id) => [word, id]));
  const special = words.filter((word) => /^\[.*\]$/.test(word));
  return JSON.stringify({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content) => ({
      id: vocab[content],
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [token('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, token('[SEP]')],
      pair: [token('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, token('[SEP]')],
      special_tokens: {},
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab,
    },
  });
}

const token = (id: string) => ({ SpecialToken: { id, type_id: 0 } });

export const BERT_CONFIG = JSON.stringify({
  tokenizer_class: 'BertTokenizer',
  model_max_length: 40,
  pad_token: '[PAD]',
});

/** A tokenizer.json for GPT-2's words in the tests of transformers (tests/models/gpt2/test_tokenization_gpt2.py). */
export function gptTokenizer(): string {
  const words = 'l o w e r s t i d n Ġ Ġl Ġn Ġlo Ġlow er Ġlowest Ġnewer Ġwider <unk> <|endoftext|>'.split(
    ' ',
  );
  return JSON.stringify({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<unk>',
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
      merges: ['Ġ l', 'Ġl o', 'Ġlo w', 'e r'],
    },
  });
}

interface Options {
  /** The model ignores padding: it has a mask and uses it [true]. */
  masked?: boolean;
}

const table: Initializer = { name: 'table', type: 'float32', dims: [32, WIDTH], data: TABLE };
const axis1: Initializer = { name: 'axis1', type: 'int64', dims: [1], data: [1] };
const axis2: Initializer = { name: 'axis2', type: 'int64', dims: [1], data: [2] };

/** `mean` [batch, WIDTH]: of the vectors of a row's tokens, with padding unless there is a mask. */
function meanNodes(masked: boolean): Node[] {
  const lookup: Node = { op: 'Gather', inputs: ['table', 'input_ids'], outputs: ['e'] };
  if (!masked)
    return [
      lookup,
      { op: 'ReduceMean', inputs: ['e'], outputs: ['mean'], attributes: { axes: [1], keepdims: 0 } },
    ];
  return [
    lookup,
    { op: 'Cast', inputs: ['attention_mask'], outputs: ['bits'], attributes: { to: 1 } },
    { op: 'Unsqueeze', inputs: ['bits', 'axis2'], outputs: ['m'] },
    { op: 'Mul', inputs: ['e', 'm'], outputs: ['kept'] },
    { op: 'ReduceSum', inputs: ['kept', 'axis1'], outputs: ['sum'], attributes: { keepdims: 0 } },
    { op: 'ReduceSum', inputs: ['m', 'axis1'], outputs: ['count'], attributes: { keepdims: 0 } },
    { op: 'Div', inputs: ['sum', 'count'], outputs: ['mean'] },
  ];
}

const tokenInputs = (): Graph['inputs'] =>
  ['input_ids', 'attention_mask', 'token_type_ids'].map((name) => ({
    name,
    type: 'int64',
    dims: ['batch', 'sequence'],
  }));

/** Vectors of tokens, `last_hidden_state` [batch, sequence, WIDTH]: the token's own, plus the mean of the row. */
export function encoder({ masked = true }: Options = {}): Graph {
  return {
    nodes: [
      ...meanNodes(masked),
      { op: 'Unsqueeze', inputs: ['mean', 'axis1'], outputs: ['all'] },
      { op: 'Add', inputs: ['e', 'all'], outputs: ['last_hidden_state'] },
    ],
    inputs: tokenInputs(),
    outputs: [{ name: 'last_hidden_state', type: 'float32', dims: ['batch', 'sequence', WIDTH] }],
    initializers: [table, axis1, axis2],
  };
}

/** The mean of a row's vectors as the scores of three classes. */
export function textScores({ masked = true }: Options = {}): Graph {
  return {
    nodes: [...meanNodes(masked), { op: 'Identity', inputs: ['mean'], outputs: ['logits'] }],
    inputs: tokenInputs(),
    outputs: [{ name: 'logits', type: 'float32', dims: ['batch', CLASSES] }],
    initializers: masked ? [table, axis1, axis2] : [table],
  };
}

/** The vector of each token. */
const vectorOf = (id: number) => TABLE.slice(id * WIDTH, (id + 1) * WIDTH);

/** What `textScores` gives for these tokens. */
export function meanOf(ids: readonly number[]): number[] {
  return Array.from({ length: WIDTH }, (_, i) => {
    let sum = 0;
    for (const id of ids) sum += vectorOf(id)[i] as number;
    return sum / ids.length;
  });
}

/** What `encoder` gives for the token at a place of these. */
export function stateOf(ids: readonly number[], place: number): number[] {
  const mean = meanOf(ids);
  return vectorOf(ids[place] as number).map((value, i) => value + (mean[i] as number));
}
