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
  'Has a path for each model that workers serve and the token may use. If the server requires tokens, requests without one get no models. At most a second old.';

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
  summary: 'this document, as a route of /v1',
};

export const DOCS_DOC: RouteDoc = {
  id: 'getDocs',
  topic: 'Server',
  summary: 'this document as a web page',
  description: 'The page loads only files of this server.',
  answers: {
    200: { description: 'the page', content: { 'text/html': { schema: { type: 'string' } } } },
    302: {
      description: 'an address with a slash at its end: Location is the one without',
      headers: ['location'],
    },
  },
};
