import { readFile } from 'node:fs/promises';
import { InferError, messageOf } from '../core/errors.js';
import {
  type KnownFile,
  type TextPlan,
  TOKEN_TYPES,
  type TokenInput,
  type TokenType,
} from '../task/text-plan.js';
import { TextTokenizer } from '../task/tokenizer.js';
import type { Origin } from './derived.js';
import { isVector, isVectors, MASK_NAME } from './embeddings.js';
import type { Fingerprint } from './fingerprint.js';
import { objectIn } from './hugging-face.js';
import type { ModelManifest } from './manifest.js';
import { manifestError } from './manifest-error.js';
import type { ModelFiles } from './model-files.js';
import { CONFIG_FILE, SENTENCE_CONFIG, TOKENIZER_CONFIG, TOKENIZER_FILE } from './model-names.js';
import type { RawInputs } from './raw-inputs.js';
import type { TensorSignature } from './signature.js';

const TYPES_NAME = /token_type|segment/i;
const POSITIONS_NAME = /position/i;
const IDS_NAME = /(?:^|_)ids?$|token/i;
/** Where neither the tokenizer nor the model says how long a row may be: as for BERT. */
const DEFAULT_LENGTH = 512;

/** What a text model needs besides its plan. */
export interface TextInputs extends RawInputs {
  plan: { kind: 'text'; from: string; text: TextPlan };
  tokenizer: TextTokenizer;
  /** How the vectors of tokens become one, where no file says and the model gives such vectors. */
  pooling?: 'mean';
  origins: Origin[];
  notes: string[];
}

/** What is known of a model when its inputs are planned. */
interface Known {
  files: Pick<ModelFiles, 'exported' | 'name' | 'given'>;
  /** Its handler has a `preprocess`. */
  handled: boolean;
  manifest: ModelManifest;
  /** As probed. */
  inputs: readonly TensorSignature[];
  outputs: readonly TensorSignature[];
  content: Fingerprint;
  label: string;
}

/**
 * Whether a model's rows are texts: by its task, or an embedding with a tokenizer next to it, unless model.json says
 * otherwise. A handler that makes rows itself counts more than what other files say.
 */
function takesTexts({ manifest, files, handled }: Known): boolean {
  if (handled && !(manifest.task === 'text-classification' && files.given.includes('task'))) return false;
  if (manifest.task === 'text-classification') return true;
  const { task, tokenizer, preprocess } = manifest;
  const there = files.exported?.files[TOKENIZER_FILE] !== undefined;
  return task === 'embedding' && there && tokenizer !== null && preprocess === undefined;
}

/** The raw input of a model whose rows are texts, and what it changes of the settings. */
interface TextSettings {
  text?: TextInputs;
  settings: Pick<ModelManifest, 'pooling' | 'task'>;
  notes: string[];
}

/**
 * The raw input of a model whose rows are texts; nothing for any other. A model that only its export makes one of texts
 * takes tokens where that is not possible.
 * @throws InferError MODEL_MANIFEST when model.json makes it one of texts, and there is no tokenizer, it cannot be used, or
 *   the model takes no tokens.
 */
export async function planText(known: Known): Promise<TextSettings> {
  if (!takesTexts(known)) return { settings: {}, notes: [] };
  const { manifest, files, outputs } = known;
  try {
    const text = await planned(known);
    // An export's own pooling has no effect where the model pools itself.
    const none = !files.given.includes('pooling') && !outputs.some(isVectors);
    return {
      text,
      settings: { pooling: none ? undefined : (manifest.pooling ?? text.pooling) },
      notes: text.notes,
    };
  } catch (error) {
    if (files.given.includes('task') || !(error instanceof InferError)) throw error;
    const task = manifest.task === 'embedding' ? 'tensor' : 'classification';
    return {
      settings: { task, pooling: undefined },
      notes: [`rows are tokens and not texts: ${error.message}`],
    };
  }
}

async function planned(known: Known): Promise<TextInputs> {
  const { files, manifest, inputs, outputs, content, label } = known;
  const at = files.exported?.files[TOKENIZER_FILE];
  if (at === undefined) {
    throw manifestError(
      label,
      `field task: ${manifest.task} needs a tokenizer, and there is no ${TOKENIZER_FILE}`,
      `copy ${TOKENIZER_FILE} and ${TOKENIZER_CONFIG} from the model's export next to model.json`,
    );
  }
  const file = knownFile(at, content);
  const configAt = files.exported?.files[TOKENIZER_CONFIG];
  const config = configAt === undefined ? undefined : knownFile(configAt, content);
  const tokenizer = await opened(file, config, files.name);
  const found = tokenInputs(inputs, label);
  const length = await lengthOf(known, tokenizer, found.fixed);
  if (length.most <= tokenizer.special)
    throw manifestError(label, `field tokenizer.maxLength: ${length.most} leaves no token for a text`);
  const used = new Set(Object.values(found.inputs).map(({ name }) => name));
  const others = inputs.filter(({ name }) => !used.has(name));
  const needed = others.find((input) => input.default === undefined);
  if (needed !== undefined) {
    throw manifestError(
      label,
      `field task: input ${needed.name} is neither token ids, their mask, segments nor positions`,
      `give it a default: "inputs": {"${needed.name}": {"default": 0}}`,
    );
  }
  const { ids, mask } = found.inputs;
  const from = others.some(({ name }) => name === 'text') ? ids.name : 'text';
  const text: TextPlan = {
    tokenizer: file,
    ...(config === undefined ? {} : { config }),
    maxLength: length.most,
    truncate: manifest.tokenizer?.truncate ?? true,
    lengths: found.fixed ?? (mask === undefined ? 'own' : 'buckets'),
    padId: tokenizer.padId ?? 0,
    padSide: tokenizer.padSide,
    inputs: found.inputs,
  };
  const raw: TensorSignature = {
    name: from,
    type: 'string',
    shape: [],
    shared: false,
    role: 'text',
    batchAxis: found.batchAxis,
    modelShape: [],
  };
  const pools = manifest.task === 'embedding' && manifest.pooling === undefined;
  const assumes = pools && !outputs.some(isVector) && outputs.some(isVectors);
  return {
    inputs: [raw, ...others],
    plan: { kind: 'text', from, text },
    tokenizer,
    ...(assumes ? { pooling: 'mean' } : {}),
    origins: [{ field: 'tokenizer', from: TOKENIZER_FILE, assumed: false }, length.origin],
    notes: [
      ...(assumes ? ['pooling is not given: the mean over the tokens is taken'] : []),
      ...(mask === undefined && found.fixed === undefined
        ? ['the model takes no mask, so texts are not padded: only those of one length share a run']
        : []),
    ],
  };
}

/** A file of the model, as it was hashed when the model was loaded. */
function knownFile(path: string, content: Fingerprint): KnownFile {
  const sha = content.files.find((mark) => mark.path === path)?.sha;
  if (sha === undefined) throw new Error(`${path} is not among the files of its model`);
  return { path, sha };
}

async function opened(file: KnownFile, config: KnownFile | undefined, model: string): Promise<TextTokenizer> {
  const read = ({ path }: KnownFile) => readFile(path, 'utf8');
  const text = await read(file);
  const settings = config === undefined ? undefined : await read(config);
  try {
    return await TextTokenizer.open(text, settings);
  } catch (error) {
    throw manifestError(
      `${model}/${TOKENIZER_FILE}`,
      messageOf(error),
      'copy it again from the export, or tokenize in a handler; "tokenizer": null in model.json: rows are tokens',
    );
  }
}

interface Found {
  inputs: TextPlan['inputs'];
  /** The number of tokens, where the model fixes it. */
  fixed: number | undefined;
  batchAxis: number | null;
}

/** The inputs that take tokens, by their names and types. */
function tokenInputs(all: readonly TensorSignature[], label: string): Found {
  const inputs = all.filter((input) => input.default === undefined && !input.shared && isTokens(input));
  const named = (name: RegExp) => inputs.find((input) => name.test(input.name));
  const mask = named(MASK_NAME);
  const types = named(TYPES_NAME);
  const positions = named(POSITIONS_NAME);
  const rest = inputs.filter(
    (input) => input !== mask && input !== types && input !== positions && input.type.startsWith('int'),
  );
  const ids = rest.find(({ name }) => IDS_NAME.test(name)) ?? rest[0];
  if (ids === undefined) {
    const shown = all.map(
      ({ name, type, shape }) => `${name} ${type} [${shape.map((dim) => dim ?? '?').join(',')}]`,
    );
    throw manifestError(
      label,
      `field task: no input takes the ids of tokens (int64 or int32, one axis a row); a row has ${shown.join(', ')}`,
      'write "task": "classification" or "tensor" for rows of tensors',
    );
  }
  const fixed = ids.shape.at(-1) ?? undefined;
  return {
    inputs: {
      ids: tokenInput(ids),
      ...(mask === undefined ? {} : { mask: tokenInput(mask) }),
      ...(types === undefined ? {} : { types: tokenInput(types) }),
      ...(positions === undefined ? {} : { positions: tokenInput(positions) }),
    },
    fixed,
    batchAxis: ids.batchAxis,
  };
}

/** Whether an input takes a number for each token: one axis a row, perhaps behind a batch of 1. */
function isTokens({ type, shape }: TensorSignature): boolean {
  const isKnown = (TOKEN_TYPES as readonly string[]).includes(type);
  return isKnown && shape.length >= 1 && shape.slice(0, -1).every((dim) => dim === 1);
}

function tokenInput({ name, type, shape }: TensorSignature): TokenInput {
  return { name, type: type as TokenType, lead: shape.length - 1 };
}

interface Length {
  most: number;
  origin: Origin;
}

/** Most tokens of a row, and what says so: model.json, else the least that a file or the model allows. */
async function lengthOf(
  { manifest, files }: Known,
  tokenizer: TextTokenizer,
  fixed: number | undefined,
): Promise<Length> {
  const field = 'tokenizer.maxLength';
  const given = manifest.tokenizer?.maxLength;
  const known: [limit: number | undefined, from: string][] = [[fixed, 'the length of the input']];
  if (given !== undefined) known.push([given, 'model.json']);
  else {
    known.push(
      [tokenizer.maxLength, `${TOKENIZER_CONFIG} model_max_length`],
      [positionsIn(await jsonOf(files, CONFIG_FILE)), `${CONFIG_FILE} max_position_embeddings`],
      [limitOf((await jsonOf(files, SENTENCE_CONFIG)).max_seq_length), `${SENTENCE_CONFIG} max_seq_length`],
    );
  }
  const limits = known.filter((one): one is [number, string] => one[0] !== undefined);
  const [least] = limits.sort(([a], [b]) => a - b);
  if (least === undefined)
    return {
      most: DEFAULT_LENGTH,
      origin: { field, from: `${DEFAULT_LENGTH}, which is usual`, assumed: true },
    };
  const [most, from] = least;
  return { most, origin: { field, from: `${from} (${most})`, assumed: false } };
}

/** Models whose places count from behind the id for padding. */
const SHIFTED = /roberta|camembert|mpnet|longformer|data2vec-text|ibert/;

function positionsIn(config: Record<string, unknown>): number | undefined {
  const { max_position_embeddings: places, model_type: type, pad_token_id: pad } = config;
  const most = limitOf(places);
  if (most === undefined || !SHIFTED.test(String(type))) return most;
  return most - (typeof pad === 'number' ? pad + 1 : 2);
}

const limitOf = (value: unknown) =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined;

/** A file of the export as an object; empty where there is none, or it is no object. */
async function jsonOf({ exported }: Known['files'], name: string): Promise<Record<string, unknown>> {
  const at = exported?.files[name];
  if (at === undefined) return {};
  try {
    return objectIn(await readFile(at, 'utf8'), name);
  } catch {
    return {};
  }
}
