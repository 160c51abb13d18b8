import { z } from 'zod';
import type { JsonSchema } from '../http/route-doc.js';

const IN_SCHEMA = '"#/$defs/';
const IN_DOCUMENT = '"#/components/schemas/';

/** Converts zod schemas to JSON Schema; those with an id become components of the document. */
export class SchemaComponents {
  /** By their ids. */
  readonly schemas: Record<string, JsonSchema> = {};

  /**
   * @param way `input` for requests: fields with a default are optional. `output` for responses: fields may
   *   be added later, so objects are open.
   */
  of(schema: z.ZodType | JsonSchema, way: 'input' | 'output'): JsonSchema {
    if (!(schema instanceof z.ZodType)) return schema;
    const made = z.toJSONSchema(schema, {
      io: way,
      unrepresentable: 'any',
      override: ({ jsonSchema }) => {
        if (way === 'output' && jsonSchema.additionalProperties === false)
          delete jsonSchema.additionalProperties;
      },
    });
    const text = JSON.stringify(made).replaceAll(IN_SCHEMA, IN_DOCUMENT);
    const {
      $schema: _,
      $defs = {},
      id,
      ...root
    } = JSON.parse(text) as JsonSchema & {
      $defs?: Record<string, JsonSchema>;
      id?: string;
    };
    for (const [name, { id: _id, ...one }] of Object.entries($defs)) this.schemas[name] = one;
    if (id === undefined) return root;
    this.schemas[id] = root;
    return { $ref: `#/components/schemas/${id}` };
  }
}
