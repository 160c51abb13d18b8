/** A document of three operations, for a test app. */
export const SMALL_API = {
  openapi: '3.1.0',
  info: { title: 'small', version: '1' },
  paths: {
    '/things': {
      post: {
        parameters: [{ name: 'wait', in: 'query', schema: { type: 'string' } }],
        requestBody: {
          content: { 'application/json': { schema: { $ref: '#/components/schemas/Thing' } } },
        },
        responses: {
          201: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Made' } } } },
          503: { $ref: '#/components/responses/Problem' },
          '4XX': { $ref: '#/components/responses/Problem' },
        },
      },
    },
    '/things/{id}': {
      parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string', minLength: 1 } }],
      get: {
        parameters: [{ name: 'limit', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 50 } }],
        responses: {
          200: { content: { 'application/json': {} } },
          400: { $ref: '#/components/responses/Problem' },
          401: { $ref: '#/components/responses/Problem' },
          403: { $ref: '#/components/responses/Problem' },
          408: { $ref: '#/components/responses/Problem' },
          415: { $ref: '#/components/responses/Problem' },
        },
      },
      delete: {
        responses: { 204: {}, '4XX': { $ref: '#/components/responses/Problem' } },
      },
    },
  },
  components: {
    responses: {
      Problem: {
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
    schemas: {
      Made: { type: 'object', required: ['rows'], properties: { rows: { type: 'integer' } } },
      Problem: {
        type: 'object',
        required: ['code'],
        properties: { code: { type: 'string' }, hint: { type: 'string' } },
      },
      Thing: {
        type: 'object',
        additionalProperties: false,
        required: ['name', 'rows'],
        properties: {
          name: { type: 'string', minLength: 1, maxLength: 20 },
          rows: { type: 'array', minItems: 1, items: { type: 'number' } },
          kind: { enum: ['a', 'b'] },
          nested: { anyOf: [{ type: 'null' }, { type: 'object', properties: { at: { type: 'integer' } } }] },
        },
      },
    },
  },
};
