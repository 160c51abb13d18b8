import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import type { ApiDocument, Schema } from './document.js';

/** The id under which schemas refer to components of the document. */
const DOCUMENT = 'https://infer.invalid/openapi.json';

/** Checks JSON values against schemas of a document. */
export class AnswerSchemas {
  // Formats are hints, and OpenAPI has keywords of its own.
  private readonly ajv = new Ajv2020({ strict: false, validateFormats: false });
  private readonly compiled = new Map<Schema, ValidateFunction>();

  constructor({ components }: Pick<ApiDocument, 'components'>) {
    this.ajv.addSchema({ $id: DOCUMENT, components: components as object });
  }

  /** What of a value does not match, without the value itself; undefined if it matches. */
  mismatch(schema: Schema, value: unknown): string | undefined {
    let validate = this.compiled.get(schema);
    if (validate === undefined) {
      validate = this.ajv.compile(absolute(schema) as object | boolean);
      this.compiled.set(schema, validate);
    }
    if (validate(value)) return undefined;
    const [error] = validate.errors ?? [];
    return `${error?.instancePath || '/'} ${error?.message ?? 'does not match'}`;
  }
}

/** A schema whose references are to the document. */
function absolute(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(absolute);
  if (typeof schema !== 'object' || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) =>
      key === '$ref' && typeof value === 'string' ? [key, `${DOCUMENT}${value}`] : [key, absolute(value)],
    ),
  );
}
