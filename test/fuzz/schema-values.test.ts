import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { random } from '../chaos/random.js';
import { ApiDocument, answersOf } from './document.js';
import { assemble, type Draft, jsonText, RawJson, wireBytes } from './draft.js';
import { Drafts } from './drafts.js';
import { allMutations } from './mutations/index.js';
import { SchemaValues } from './schema-values.js';
import { SMALL_API } from './small-api.js';

const document = new ApiDocument(SMALL_API);
const operation = (name: string) => {
  const found = document.operations.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
};

describe('a document', () => {
  it('has its operations with their path parameters, bodies and responses', () => {
    expect(document.operations.map(({ name }) => name)).toEqual([
      'POST /things',
      'GET /things/{id}',
      'DELETE /things/{id}',
    ]);
    const get = operation('GET /things/{id}');
    expect(get.parameters.map(({ name, in: place, required }) => [name, place, required])).toEqual([
      ['id', 'path', true],
      ['limit', 'query', false],
    ]);
    expect([...operation('POST /things').bodies.keys()]).toEqual(['application/json']);
    expect([...(answersOf(get, 403)?.keys() ?? [])]).toEqual(['application/problem+json']);
    expect([...(answersOf(operation('DELETE /things/{id}'), 422)?.keys() ?? [])]).toEqual([
      'application/problem+json',
    ]);
    expect(answersOf(get, 422)).toBeUndefined();
  });

  it('finds the operation of a request: literal paths first, HEAD as GET', () => {
    const two = { responses: { 200: {} } };
    const paths = { '/jobs/{id}': { get: two }, '/jobs/all': { get: two } };
    const own = new ApiDocument({ openapi: '3.1.0', servers: [{ url: '/base/' }], paths });
    expect(own.find('GET', '/base/jobs/all')?.path).toBe('/base/jobs/all');
    expect(own.find('HEAD', '/base/jobs/a%20b')?.path).toBe('/base/jobs/{id}');
    expect(own.find('POST', '/base/jobs/all')).toBeUndefined();
    expect(own.find('GET', '/jobs/all')).toBeUndefined();
    expect(() => new ApiDocument({ swagger: '2.0' })).toThrow('no OpenAPI');
  });
});

describe('values of a schema', () => {
  const values = (schema: Parameters<SchemaValues['of']>[0]) =>
    fc.sample(new SchemaValues(document, new Map()).of(schema), { numRuns: 100, seed: 1 });

  it.each<[object, (value: unknown) => boolean]>([
    [{ type: 'integer', minimum: 3, maximum: 5 }, (value) => [3, 4, 5].includes(value as number)],
    [{ type: 'integer', exclusiveMinimum: 0, multipleOf: 4 }, (value) => (value as number) % 4 === 0],
    [
      { type: 'number', minimum: 0.5, maximum: 1 },
      (value) => (value as number) >= 0.5 && (value as number) <= 1,
    ],
    [{ type: ['string', 'null'] }, (value) => value === null || typeof value === 'string'],
    [{ const: 7 }, (value) => value === 7],
    [{ enum: ['a', 'b'] }, (value) => value === 'a' || value === 'b'],
    [{ type: 'string', pattern: '^\\d{1,9}$' }, (value) => /^\d{1,9}$/.test(value as string)],
    [{ type: 'string', minLength: 4, maxLength: 6 }, (value) => /^.{4,6}$/s.test(value as string)],
    [{ type: 'array', items: { type: 'boolean' }, minItems: 2 }, (value) => (value as unknown[]).length >= 2],
    [{ prefixItems: [{ const: 1 }, { const: 2 }] }, (value) => JSON.stringify(value) === '[1,2]'],
    [
      {
        allOf: [
          { properties: { a: { const: 1 } }, required: ['a'] },
          { properties: { b: { const: 2 } }, required: ['b'] },
        ],
      },
      (value) => JSON.stringify(value) === '{"a":1,"b":2}',
    ],
    [{ $ref: '#/components/schemas/Thing' }, (value) => Array.isArray((value as { rows: unknown }).rows)],
  ])('fit %j', (schema, fits) => {
    const wrong = values(schema as Record<string, unknown>).filter((value) => !fits(value));
    expect(wrong).toEqual([]);
  });
});

describe('mutations', () => {
  const draft = (name: string): Draft => new Drafts(document, 'token').draft(operation(name), random(1));

  it('each change a request', () => {
    const drafts = document.operations.map(({ name }) => draft(name));
    const stream: Draft = { ...draft('POST /things'), json: undefined, bytes: Buffer.from('[1]\n') };
    const inference: Draft = {
      ...draft('POST /things'),
      operation: { ...operation('POST /things'), path: '/v2/models/m/infer' },
      json: { value: { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }] } },
    };
    for (const { name, fits, apply } of allMutations('weak')) {
      const fitting = [...drafts, stream, inference].filter(fits);
      const changed = fitting.flatMap((one) => {
        const before = wireBytes(assemble(one));
        return Array.from({ length: 10 }, (_, i) => !wireBytes(apply(one, random(i)).wire).equals(before));
      });
      expect([name, changed.includes(true)]).toEqual([name, true]);
    }
  });

  it('write values that JSON cannot represent', () => {
    expect(jsonText({ a: [new RawJson('1e999')], b: 'x' })).toBe('{"a":[1e999],"b":"x"}');
  });
});
