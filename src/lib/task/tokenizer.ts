import { InferError, messageOf } from '../core/errors.js';
import { withoutMark } from '../core/text.js';

/** Kinds of tokenizers that the library computes as Hugging Face's own does. */
const KINDS: readonly string[] = ['WordPiece', 'BPE', 'Unigram'];
/** Characters of a text that are read at first for each token that may be kept; English has about four a token. */
const CHARS_A_TOKEN = 8;
/** A part of a text is long enough if it has this many tokens more than are kept: the last of them depend on the rest. */
const SPARE_TOKENS = 64;
const LEAST_CHARS = 1024;
const GROWTH = 4;
const HIGH_SURROGATE = /[\uD800-\uDBFF]$/;

/** What is kept of a text's tokens. */
interface Cut {
  /** Most tokens, special ones included. */
  maxLength: number;
  /** Longer texts are cut; otherwise they are refused. */
  truncate: boolean;
}

/** What the library's tokenizer gives. */
type Library = InstanceType<typeof import('@huggingface/tokenizers')['Tokenizer']>;

/** Turns texts into the ids of tokens, as the tokenizer.json of a Hugging Face export says. */
export class TextTokenizer {
  private constructor(
    private readonly library: Library,
    /** Ids that are put in front of a text and behind it. */
    private readonly before: readonly number[],
    private readonly after: readonly number[],
    private readonly cutsLeft: boolean,
    /** Id of the token for padding; undefined where the files name none. */
    readonly padId: number | undefined,
    /** The side that is padded. */
    readonly padSide: 'left' | 'right',
    /** Most tokens that `tokenizer_config.json` allows; undefined where it does not say. */
    readonly maxLength: number | undefined,
  ) {}

  /**
   * @param tokenizer text of tokenizer.json.
   * @param config text of tokenizer_config.json.
   * @throws Error with the reason when the files are no tokenizer, or one of an unknown kind.
   */
  static async open(tokenizer: string, config = '{}'): Promise<TextTokenizer> {
    const json = parsed(tokenizer, 'it');
    const settings = parsed(config, 'tokenizer_config.json');
    const { type } = (json.model ?? {}) as { type?: unknown };
    if (!KINDS.includes(String(type)))
      throw new Error(`a tokenizer of kind ${String(type)} is not supported; ${KINDS.join(', ')} are`);
    const { Tokenizer } = await import('@huggingface/tokenizers');
    const library = new Tokenizer(json, settings);
    const { before, after } = specials(library);
    const pad = tokenName(settings.pad_token);
    const padding = json.padding as { pad_id?: unknown; direction?: unknown } | null | undefined;
    const padId = (pad === undefined ? undefined : library.token_to_id(pad)) ?? padding?.pad_id;
    const side = settings.padding_side ?? padding?.direction;
    const most = settings.model_max_length;
    return new TextTokenizer(
      library,
      before,
      after,
      settings.truncation_side === 'left',
      typeof padId === 'number' ? padId : undefined,
      String(side).toLowerCase() === 'left' ? 'left' : 'right',
      // Where a model has no limit, exporters write 1e30.
      typeof most === 'number' && Number.isInteger(most) && most > 0 && most < 1e9 ? most : undefined,
    );
  }

  /** Tokens that every text gets besides its own. */
  get special(): number {
    return this.before.length + this.after.length;
  }

  /** Ids of a row for trials: `count` tokens from all over the vocabulary, between the special ones. */
  sample(count: number): number[] {
    const ids = [...this.library.get_vocab().values()];
    const step = ids.length / count;
    const own = Array.from({ length: count }, (_, at) => ids[Math.floor(at * step)] as number);
    return [...this.before, ...own, ...this.after];
  }

  /**
   * The ids of a text. Of a long text only as much is read as is kept.
   * @throws InferError INPUT_TEXT when it has no tokens, or too many and may not be cut.
   */
  encode(text: string, { maxLength, truncate }: Cut): number[] {
    const most = maxLength - this.special;
    const ids = this.tokensOf(text, most);
    if (ids.length === 0) {
      throw new InferError(
        'INPUT_TEXT',
        text === '' ? 'an empty text has no tokens' : 'the text has no tokens: it is blank',
        { hint: 'leave the row out, or give it a text' },
      );
    }
    if (ids.length > most && !truncate) {
      throw new InferError('INPUT_TEXT', `the text has more than the ${most} tokens that the model takes`, {
        hint: 'split or shorten it, or write "tokenizer": {"truncate": true} in model.json',
      });
    }
    const kept = this.cutsLeft ? ids.slice(-most) : ids.slice(0, most);
    return [...this.before, ...kept, ...this.after];
  }

  /** At least `most` + 1 tokens of a text, if it has as many, from the side that is kept. */
  private tokensOf(text: string, most: number): number[] {
    for (let chars = Math.max(LEAST_CHARS, most * CHARS_A_TOKEN); ; chars *= GROWTH) {
      const whole = chars >= text.length;
      const ids = this.own(whole ? text : this.part(text, chars));
      if (whole || ids.length > most + SPARE_TOKENS) return ids;
    }
  }

  private part(text: string, chars: number): string {
    if (!this.cutsLeft) return text.slice(0, HIGH_SURROGATE.test(text[chars - 1] ?? '') ? chars - 1 : chars);
    const from = text.length - chars;
    return text.slice(HIGH_SURROGATE.test(text[from - 1] ?? '') ? from + 1 : from);
  }

  private own(text: string): number[] {
    return idsOf(this.library, text, false);
  }
}

function parsed(text: string, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(withoutMark(text));
  } catch (error) {
    throw new Error(`${what} is not JSON: ${messageOf(error)}`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new Error(`${what} is not a JSON object`);
}

/** A special token's text: files give it as text, or as an object with its properties. */
function tokenName(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const content = (value as { content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : undefined;
}

function idsOf(library: Library, text: string, special: boolean): number[] {
  const { ids, tokens } = library.encode(text, { add_special_tokens: special });
  const unknown = ids.findIndex((id: number) => !Number.isSafeInteger(id));
  if (unknown < 0) return ids;
  throw new InferError('INPUT_TEXT', 'the text has a token that the vocabulary of the model does not have', {
    hint: `remove ${JSON.stringify(tokens[unknown]?.slice(0, 40))}, or use a tokenizer with a token for unknown ones`,
  });
}

/** The ids that the tokenizer adds to a text: found by comparing one with and without them. */
function specials(library: Library): { before: number[]; after: number[] } {
  for (const text of ['a', 'the', '1']) {
    const own = library.encode(text, { add_special_tokens: false }).ids;
    const all = library.encode(text, { add_special_tokens: true }).ids;
    const at = all.findIndex((_: number, from: number) =>
      own.every((id: number, i: number) => all[from + i] === id),
    );
    if (own.length > 0 && at >= 0) return { before: all.slice(0, at), after: all.slice(at + own.length) };
  }
  return { before: [], after: [] };
}
