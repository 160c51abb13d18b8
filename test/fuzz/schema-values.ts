import fc from 'fast-check';
import type { ApiDocument, Schema } from './document.js';

type Keywords = Readonly<Record<string, unknown>>;

/** Values by field name that a schema cannot describe, such as model names and matching rows. */
export type Hints = ReadonlyMap<string, fc.Arbitrary<unknown>>;

const MOST_DEEP = 5;
const MOST_ITEMS = 3;
/** One in six optional fields is present, so that few contradict each other. */
const LEFT_OUT = 5;

/**
 * Values that match a JSON Schema. Ignores keywords that cannot be generated (`not`, `if`, `contains`): such
 * a value may be refused, which is a valid response.
 */
export class SchemaValues {
  constructor(
    private readonly document: ApiDocument,
    private readonly hints: Hints,
  ) {}

  of(schema: Schema, depth = 0): fc.Arbitrary<unknown> {
    if (typeof schema === 'boolean') return anything();
    const keywords = this.merged(schema);
    const { examples } = keywords;
    const own = this.fitting(keywords, depth);
    if (!Array.isArray(examples) || examples.length === 0) return own;
    return fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...examples) }, { weight: 1, arbitrary: own });
  }

  /** A value for a field of this name, preferably from the hints. */
  named(name: string, schema: Schema, depth = 0): fc.Arbitrary<unknown> {
    return this.hints.get(name) ?? this.of(schema, depth);
  }

  private fitting(keywords: Keywords, depth: number): fc.Arbitrary<unknown> {
    if ('const' in keywords) return fc.constant(keywords.const);
    if (Array.isArray(keywords.enum)) return fc.constantFrom(...keywords.enum);
    const choices = [keywords.anyOf, keywords.oneOf].find(Array.isArray) as Schema[] | undefined;
    if (choices !== undefined) {
      const rest = withoutChoices(keywords);
      return fc.oneof(...choices.map((one) => this.of(joined(rest, one), depth)));
    }
    const types = [keywords.type ?? typeBy(keywords)].flat() as string[];
    return fc.oneof(...types.map((type) => this.ofType(type, keywords, depth)));
  }

  private ofType(type: string, keywords: Keywords, depth: number): fc.Arbitrary<unknown> {
    switch (type) {
      case 'object':
        return this.object(keywords, depth);
      case 'array':
        return this.array(keywords, depth);
      case 'string':
        return text(keywords);
      case 'integer':
        return integer(keywords);
      case 'number':
        return number(keywords);
      case 'boolean':
        return fc.boolean();
      case 'null':
        return fc.constant(null);
      default:
        return anything();
    }
  }

  private object(keywords: Keywords, depth: number): fc.Arbitrary<unknown> {
    const properties = Object.entries((keywords.properties ?? {}) as Record<string, Schema>);
    const required = new Set((keywords.required ?? []) as string[]);
    const fields = properties
      .filter(([name]) => required.has(name) || depth < MOST_DEEP)
      .map(([name, schema]) => {
        const value = this.named(name, schema, depth + 1);
        if (required.has(name) || (depth === 0 && this.hints.has(name) && isEssential(name)))
          return [name, value];
        const absent = { weight: LEFT_OUT, arbitrary: fc.constant(undefined) };
        return [name, fc.oneof(absent, { weight: 1, arbitrary: value })];
      });
    const record = fc.record(Object.fromEntries(fields) as Record<string, fc.Arbitrary<unknown>>);
    return record.map((made) =>
      Object.fromEntries(Object.entries(made).filter(([, value]) => value !== undefined)),
    );
  }

  private array(keywords: Keywords, depth: number): fc.Arbitrary<unknown> {
    const { prefixItems, items = true, minItems = 0, maxItems } = keywords;
    if (Array.isArray(prefixItems))
      return fc.tuple(...(prefixItems as Schema[]).map((one) => this.of(one, depth + 1)));
    const minLength = Number(minItems);
    const maxLength = Math.min(maxItems === undefined ? Infinity : Number(maxItems), minLength + MOST_ITEMS);
    if (depth >= MOST_DEEP && minLength === 0) return fc.constant([]);
    return fc.array(this.of(items as Schema, depth + 1), { minLength, maxLength });
  }

  /** A schema with its references and `allOf` merged. */
  private merged(schema: Keywords): Keywords {
    const { $ref, allOf, ...own } = schema;
    const referred = $ref === undefined ? [] : [this.document.resolve(schema) as Schema];
    const parts = [...referred, ...(Array.isArray(allOf) ? (allOf as Schema[]) : [])];
    return parts.reduce<Keywords>((all, part) => {
      if (typeof part === 'boolean') return all;
      return joined(all, this.merged(part));
    }, own);
  }
}

/** Fields that every useful request needs, even if the schema does not require them. */
function isEssential(name: string): boolean {
  return ['model', 'input', 'inputs'].includes(name);
}

function joined(a: Keywords, b: Schema): Keywords {
  if (typeof b === 'boolean') return a;
  const both = { ...a, ...b };
  if (a.properties !== undefined && b.properties !== undefined)
    Object.assign(both, { properties: { ...(a.properties as object), ...(b.properties as object) } });
  if (Array.isArray(a.required) && Array.isArray(b.required))
    Object.assign(both, { required: [...a.required, ...b.required] });
  return both;
}

function withoutChoices({ anyOf: _any, oneOf: _one, ...rest }: Keywords): Keywords {
  return rest;
}

/** The type that other keywords imply. */
function typeBy(keywords: Keywords): string {
  if (keywords.properties !== undefined) return 'object';
  return keywords.items !== undefined || keywords.prefixItems !== undefined ? 'array' : 'any';
}

function anything(): fc.Arbitrary<unknown> {
  return fc.jsonValue({ maxDepth: 2 });
}

function text({ minLength = 0, maxLength, pattern, format }: Keywords): fc.Arbitrary<unknown> {
  if (typeof pattern === 'string') return fc.stringMatching(new RegExp(pattern, 'u'), { size: '-1' });
  if (format === 'date-time')
    return fc
      .date({ min: new Date('2026-01-01'), max: new Date('2030-01-01'), noInvalidDate: true })
      .map((date) => date.toISOString());
  if (format === 'uuid') return fc.uuid();
  if (format === 'uri' || format === 'uri-reference') return fc.webUrl();
  const least = Number(minLength);
  const most = Math.min(maxLength === undefined ? Infinity : Number(maxLength), least + 20);
  return fc.string({ minLength: least, maxLength: most, unit: 'grapheme-ascii' });
}

function integer(keywords: Keywords): fc.Arbitrary<unknown> {
  const { min, max } = bounds(keywords, 1);
  const [least, most] = [Math.ceil(min), Math.floor(max)];
  const step = Number(keywords.multipleOf ?? 1);
  if (step === 1) return fc.integer({ min: least, max: most });
  return fc.integer({ min: Math.ceil(least / step), max: Math.floor(most / step) }).map((n) => n * step);
}

function number(keywords: Keywords): fc.Arbitrary<unknown> {
  const { min, max } = bounds(keywords, Number.MIN_VALUE);
  return fc.double({ min, max, noNaN: true, noDefaultInfinity: true });
}

/** @param step of exclusive bounds */
function bounds(keywords: Keywords, step: number): { min: number; max: number } {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = keywords;
  const least = minimum ?? (exclusiveMinimum === undefined ? undefined : Number(exclusiveMinimum) + step);
  const most = maximum ?? (exclusiveMaximum === undefined ? undefined : Number(exclusiveMaximum) - step);
  const min = Math.max(Number(least ?? Math.min(0, Number(most ?? 0))), -(2 ** 31));
  // A wide range does not show usual values: stay near its start.
  const max = Math.min(Number(most ?? Infinity), Math.max(min + 1000, min));
  return { min, max };
}
