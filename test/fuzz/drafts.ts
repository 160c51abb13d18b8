import fc from 'fast-check';
import type { Random } from '../chaos/random.js';
import type { ApiDocument, Operation, Parameter } from './document.js';
import type { Draft } from './draft.js';
import {
  embeddings,
  FIELD_HINTS,
  inferRequests,
  jobBodies,
  pathHint,
  predictions,
  STREAM_MODEL,
  STREAMS,
} from './hints.js';
import { SchemaValues } from './schema-values.js';

/** One in six optional parameters is present. */
const SOMETIMES = 1 / 6;
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json$/;

/** Valid requests to the operations of a document. */
export class Drafts {
  private readonly values: SchemaValues;
  private readonly made = new Map<string, fc.Arbitrary<unknown>>();

  /** @param token sent with every request; undefined sends none */
  constructor(
    document: ApiDocument,
    private readonly token: string | undefined,
  ) {
    this.values = new SchemaValues(document, FIELD_HINTS);
  }

  /** One request to one operation. The same random numbers give the same request. */
  draft(operation: Operation, random: Random): Draft {
    const begun: Draft = {
      operation,
      method: operation.method,
      pathValues: this.pathValues(operation, random),
      query: this.pairs(operation, 'query', random),
      headers: [
        ...(this.token === undefined ? [] : [['Authorization', `Bearer ${this.token}`] as const]),
        ...this.headers(operation, random),
      ],
      contentType: undefined,
      json: undefined,
      bytes: undefined,
    };
    return this.withBody(begun, random);
  }

  private pathValues(operation: Operation, random: Random): Record<string, string> {
    const { method, path, parameters } = operation;
    const names = [...path.matchAll(/\{([^}]*)\}/g)].map(([, name]) => name as string);
    return Object.fromEntries(
      names.map((name) => {
        const schema = parameters.find((one) => one.in === 'path' && one.name === name)?.schema ?? true;
        const hint = pathHint(method, path, name);
        const value = sample(
          hint ?? this.cached(`${operation.name} ${name}`, () => this.values.of(schema)),
          random,
        );
        return [name, textOf(value) || 'x'];
      }),
    );
  }

  private pairs(operation: Operation, place: 'query' | 'header', random: Random): [string, string][] {
    return operation.parameters
      .filter((one) => one.in === place && (one.required || random.chance(SOMETIMES)))
      .flatMap((one) => {
        const value = sample(this.parameterValue(operation, one), random);
        // The default style of the standard: each item of a list is a separate pair.
        return [value].flat().map((item): [string, string] => [one.name, textOf(item)]);
      });
  }

  /** Excludes headers of the body, which have to match it. */
  private headers(operation: Operation, random: Random): [string, string][] {
    const reserved = /^(?:authorization|host|content-.*|inference-header-content-length|transfer-encoding)$/i;
    return this.pairs(operation, 'header', random).filter(
      ([name, value]) => !reserved.test(name) && /^[\x20-\x7e]*$/.test(value),
    );
  }

  private parameterValue(operation: Operation, { name, schema }: Parameter): fc.Arbitrary<unknown> {
    return this.cached(`${operation.name} ?${name}`, () => this.values.named(name, schema));
  }

  private withBody(draft: Draft, random: Random): Draft {
    const { bodies, path } = draft.operation;
    const types = [...bodies.keys()];
    if (types.length === 0) return draft;
    const streams = types.filter((type) => STREAMS.has(type));
    const json = types.filter((type) => JSON_TYPE.test(type));
    if (streams.length > 0 && (json.length === 0 || random.chance(0.3))) {
      const contentType = random.pick(streams);
      const bytes = sample(STREAMS.get(contentType) as fc.Arbitrary<Buffer>, random);
      const query = [...draft.query.filter(([name]) => name !== 'model'), ['model', STREAM_MODEL] as const];
      return { ...draft, contentType, bytes, query };
    }
    const [contentType] = json;
    if (contentType === undefined) return draft;
    if (path.endsWith('/infer')) return inferDraft(draft, contentType, random);
    if (path.endsWith('/predict')) {
      const { model, input } = sample(predictions, random);
      const query = [...draft.query.filter(([name]) => name !== 'model'), ['model', model] as const];
      return { ...draft, contentType, json: { value: input }, query };
    }
    const { schema, examples } = bodies.get(contentType) ?? { schema: true, examples: [] };
    const own = this.cached(`${draft.operation.name} body`, () => this.values.of(schema));
    const made = examples.length > 0 && random.chance(0.3) ? random.pick(examples) : sample(own, random);
    const value = /\/v1\/jobs(?:\/\{[^}]*\})?$/.test(path)
      ? { ...without(made, draft), ...sample(jobBodies, random) }
      : path.endsWith('/embeddings')
        ? { ...(made as object), ...sample(embeddings, random) }
        : made;
    // The model in the document applies, not the one in the address.
    const query = draft.query.filter(([name]) => !hasField(value, name));
    return { ...draft, contentType, json: { value }, query };
  }

  private cached(name: string, make: () => fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
    const made = this.made.get(name) ?? make();
    this.made.set(name, made);
    return made;
  }
}

/** One value of an arbitrary, determined by the random numbers of the request. */
function sample<T>(arbitrary: fc.Arbitrary<T>, random: Random): T {
  const [value] = fc.sample(arbitrary, { numRuns: 1, seed: random.int(0, 2 ** 31 - 1) });
  return value as T;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** `/v2/models/{model}/infer`, or the path of one model: the body has to match it. */
function inferDraft(draft: Draft, contentType: string, random: Random): Draft {
  const { path } = draft.operation;
  const named = draft.pathValues.model ?? /\/models\/([^/{}]+)\//.exec(path)?.[1];
  const { model, body } = sample(inferRequests(named), random);
  const pathValues = 'model' in draft.pathValues ? { ...draft.pathValues, model } : draft.pathValues;
  return { ...draft, contentType, pathValues, json: { value: body } };
}

/** Job options without conflicts: at most one id, in the address or the document, and one start time. */
function without(made: unknown, { headers, pathValues }: Draft): Record<string, unknown> {
  const { at, delay, id, softTimeLimit: _soft, ...rest } = (made ?? {}) as Record<string, unknown>;
  const keyed = headers.some(([name]) => name.toLowerCase() === 'idempotency-key') || 'id' in pathValues;
  return {
    ...rest,
    ...(delay === undefined ? (at === undefined ? {} : { at }) : { delay }),
    ...(id === undefined || keyed ? {} : { id }),
  };
}

function hasField(value: unknown, name: string): boolean {
  return typeof value === 'object' && value !== null && name in value;
}
