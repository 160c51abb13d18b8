import type { RouteDoc } from '../http/route-doc.js';

const DOCUMENT: RouteDoc['answers'] = {
  200: {
    description: 'the document',
    content: {
      'application/json': {
        schema: {
          type: 'object',
          required: ['openapi', 'info', 'paths'],
          properties: {
            openapi: { type: 'string' },
            info: { type: 'object' },
            paths: { type: 'object' },
          },
        },
      },
    },
  },
};
const DESCRIPTION =
  'With a path for each model that workers serve and the token may use; with tokens, none without a token. At most a second old.';

export const OPENAPI_DOC: RouteDoc = {
  id: 'getOpenapi',
  topic: 'Server',
  summary: 'this document',
  description: DESCRIPTION,
  answers: DOCUMENT,
};

export const SCHEMA_DOC: RouteDoc = {
  ...OPENAPI_DOC,
  id: 'getSchema',
  summary: 'this document, beside the routes of /v1',
};

export const DOCS_DOC: RouteDoc = {
  id: 'getDocs',
  topic: 'Server',
  summary: 'this document as a page',
  description: 'All of the page comes from this server.',
  answers: {
    200: { description: 'the page', content: { 'text/html': { schema: { type: 'string' } } } },
  },
};
