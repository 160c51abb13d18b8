/** A file that the preparing process reads, and the SHA-256 (hex) that it must have. */
export interface KnownFile {
  path: string;
  sha: string;
}

/** Types of inputs that can hold tokens. */
export const TOKEN_TYPES = ['int64', 'int32', 'float32', 'bool'] as const;
export type TokenType = (typeof TOKEN_TYPES)[number];

/** An input of the model that takes a number for each token; a row has the shape `[…1, length]`. */
export interface TokenInput {
  name: string;
  type: TokenType;
  /** Axes of length 1 in front of the tokens. */
  lead: number;
}

/** How a text becomes rows of a model's inputs; every field is decided. JSON-safe. */
export interface TextPlan {
  tokenizer: KnownFile;
  config?: KnownFile;
  /** Most tokens of a row, special ones included. */
  maxLength: number;
  /** Longer texts are cut; otherwise their rows fail. */
  truncate: boolean;
  /** Lengths that rows get: rounded up so that they share runs, one for all, or each its own. */
  lengths: 'buckets' | 'own' | number;
  padId: number;
  padSide: 'left' | 'right';
  inputs: {
    ids: TokenInput;
    /** 1 for a token, 0 for padding. */
    mask?: TokenInput;
    /** Segments: a row has one, 0. */
    types?: TokenInput;
    /** Places of the tokens, from 0. */
    positions?: TokenInput;
  };
}

/** Lengths up to this are multiples of `STEP`; above, there are four between a power of two and the next. */
const STEP = 8;

/**
 * The length that rows of `tokens` tokens are padded to, at most `most`: multiples of 8 up to 32, then of a quarter of
 * the power of two below. So at most a quarter is padding, and 512 tokens have 20 lengths. Pure.
 */
export function bucketOf(tokens: number, most: number): number {
  const power = 2 ** Math.floor(Math.log2(Math.max(1, tokens - 1)));
  const step = Math.max(STEP, power / 4);
  return Math.min(most, Math.max(1, Math.ceil(tokens / step)) * step);
}
