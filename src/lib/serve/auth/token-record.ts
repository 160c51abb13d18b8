import { InferError } from '../../core/errors.js';
import { isName, parseModel } from '../../core/names.js';
import { printable } from '../../core/printable.js';
import { SCOPES, type Scope, type TokenLimits } from './caller.js';

/** One secret of a token, as a digest. A token has two while it is rotated. */
export interface TokenSecret {
  /** SHA-256 of the token, in hexadecimal. */
  sha256: string;
  /** ISO 8601, in UTC. */
  createdAt: string;
  /** It is refused from then on; absent = never. */
  expiresAt?: string | undefined;
}

/** A token as it is stored in the token file. */
export interface TokenRecord {
  /** Jobs belong to the name, so it does not change when the secret is rotated. */
  name: string;
  scopes: Scope[];
  secrets: TokenSecret[];
  /** Models that it may use; absent = all. */
  models?: string[] | undefined;
  limits?: TokenLimits | undefined;
}

export interface TokenFile {
  version: 1;
  tokens: TokenRecord[];
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const DIGEST = /^[0-9a-f]{64}$/;

/** @throws InferError TOKEN_NAME (2). */
export function checkTokenName(name: string): string {
  if (NAME.test(name)) return name;
  throw new InferError('TOKEN_NAME', `'${printable(name)}' cannot be the name of a token`, {
    hint: 'use 1 to 64 letters, digits, dots, dashes and underscores, such as web-frontend',
  });
}

/** @throws InferError TOKEN_MODEL_NAME (2). */
export function checkTokenModel(name: string): string {
  if (isName('model', name)) return name;
  const { model, version } = parseModel(name);
  throw new InferError('TOKEN_MODEL_NAME', `'${printable(name.slice(0, 140))}' is not the name of a model`, {
    hint:
      version !== undefined && isName('model', model)
        ? `a token is for all versions of a model: --model ${model}`
        : 'infer models lists the models',
  });
}

/** A rule for one number of the limits; `what` is its place, for the message. */
const BOUNDS = {
  rate: { least: 0.001, most: 1e6, whole: false },
  burst: { least: 1, most: 1e6, whole: true },
  jobs: { least: 1, most: 1e6, whole: true },
  waiting: { least: 1, most: 1e6, whole: true },
  open: { least: 1, most: 1e6, whole: true },
} as const;
/** Open waits are limited per token only, not per model. */
const OF_MODEL = ['rate', 'burst', 'jobs', 'waiting'] as const;

/** @throws InferError TOKEN_LIMIT (2). */
export function checkLimit(name: keyof typeof BOUNDS, value: number): number {
  const { least, most, whole } = BOUNDS[name];
  if (value >= least && value <= most && (!whole || Number.isInteger(value))) return value;
  const what = Number.isNaN(value) ? 'not a number' : `${String(value)}, which is out of range`;
  throw new InferError('TOKEN_LIMIT', `${name} is ${what}`, {
    hint: `give ${whole ? 'a whole number' : 'a number'} from ${least} to ${most}`,
  });
}

/**
 * Parses and checks a token file.
 * @throws Error naming the fault and its place, without any value of the file.
 */
export function parseTokenFile(text: string): TokenFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error('it is not JSON');
  }
  const file = objectAt(value, 'the document', ['version', 'tokens']);
  if (file.version !== 1) throw new Error('version is not 1');
  const tokens = listAt(file.tokens, 'tokens').map(tokenAt);
  const names = tokens.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new Error(`tokens: ${twice} appears twice`);
  return { version: 1, tokens };
}

function tokenAt(value: unknown, at: number): TokenRecord {
  const place = `tokens[${at}]`;
  const token = objectAt(value, place, ['name', 'scopes', 'secrets', 'models', 'limits']);
  if (typeof token.name !== 'string' || !NAME.test(token.name))
    throw new Error(`${place}.name is not a valid name`);
  const scopes = listAt(token.scopes, `${place}.scopes`).map((scope) => {
    const known = SCOPES.find((one) => one === scope);
    if (known === undefined) throw new Error(`${place}.scopes: the scopes are ${SCOPES.join(', ')}`);
    return known;
  });
  const models = token.models === undefined ? undefined : listAt(token.models, `${place}.models`);
  if (models?.some((model) => typeof model !== 'string' || !isName('model', model)))
    throw new Error(`${place}.models has what is no model name`);
  return {
    name: token.name,
    scopes,
    secrets: listAt(token.secrets, `${place}.secrets`).map((secret, i) =>
      secretAt(secret, `${place}.secrets[${i}]`),
    ),
    ...(models === undefined ? {} : { models: models as string[] }),
    ...(token.limits === undefined ? {} : { limits: limitsAt(token.limits, `${place}.limits`) }),
  };
}

function secretAt(value: unknown, place: string): TokenSecret {
  const { sha256, createdAt, expiresAt } = objectAt(value, place, ['sha256', 'createdAt', 'expiresAt']);
  if (typeof sha256 !== 'string' || !DIGEST.test(sha256))
    throw new Error(`${place}.sha256 is not a SHA-256 digest`);
  return {
    sha256,
    createdAt: momentAt(createdAt, `${place}.createdAt`),
    ...(expiresAt === undefined ? {} : { expiresAt: momentAt(expiresAt, `${place}.expiresAt`) }),
  };
}

function limitsAt(value: unknown, place: string): TokenLimits {
  const limits = objectAt(value, place, [...Object.keys(BOUNDS), 'models']);
  const own = numbersAt(limits, place);
  if (limits.models === undefined) return own;
  const models = Object.entries(objectAt(limits.models, `${place}.models`)).map(([model, one]) => {
    const where = `${place}.models.${printable(model)}`;
    if (!isName('model', model)) throw new Error(`${place}.models has what is no model name`);
    return [model, numbersAt(objectAt(one, where, OF_MODEL), where)] as const;
  });
  return { ...own, models: Object.fromEntries(models) };
}

function numbersAt(values: Record<string, unknown>, place: string): Omit<TokenLimits, 'models'> {
  const names = Object.keys(BOUNDS) as (keyof typeof BOUNDS)[];
  const found = names.flatMap((name) => {
    const value = values[name];
    if (value === undefined) return [];
    if (typeof value !== 'number') throw new Error(`${place}.${name} is not a number`);
    try {
      return [[name, checkLimit(name, value)] as const];
    } catch {
      throw new Error(`${place}.${name} is out of range`);
    }
  });
  return Object.fromEntries(found);
}

function objectAt(value: unknown, place: string, known?: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${place} is not an object`);
  const odd = known === undefined ? undefined : Object.keys(value).find((key) => !known.includes(key));
  if (odd !== undefined) throw new Error(`${place} has an unknown member ${printable(odd)}`);
  return value as Record<string, unknown>;
}

function listAt(value: unknown, place: string): unknown[] {
  if (!Array.isArray(value)) throw new Error(`${place} is not a list`);
  return value;
}

function momentAt(value: unknown, place: string): string {
  if (typeof value !== 'string' || Number.isNaN(Date.parse(value))) throw new Error(`${place} is not a time`);
  return value;
}
