import type { AnswerHeader, JsonSchema, RequestHeader } from '../http/route-doc.js';

interface HeaderDoc {
  /** In its usual spelling. */
  name: string;
  description: string;
  schema: JsonSchema;
  example?: string | number;
}

const SECONDS: JsonSchema = { type: 'integer', minimum: 1, maximum: 60 };

/** Request headers, as parameters of the document. */
const REQUEST_HEADERS: Readonly<Record<RequestHeader, HeaderDoc>> = {
  prefer: {
    name: 'Prefer',
    description:
      '`wait=10` waits for up to ten seconds, and no longer than the server allows; `respond-async` returns the job at once (RFC 7240)',
    schema: { type: 'string', maxLength: 256 },
    example: 'wait=10',
  },
  'idempotency-key': {
    name: 'Idempotency-Key',
    description: 'makes the request safe to repeat: the same key with the same request makes only one job',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
    example: '5f0c9f0e-6c3b-4f7e-9b5e-1f2d3c4b5a69',
  },
  'content-encoding': {
    name: 'Content-Encoding',
    description: 'how the body is compressed',
    schema: { type: 'string', enum: ['identity', 'gzip', 'deflate'] },
  },
  'accept-encoding': {
    name: 'Accept-Encoding',
    description: 'accepted compression of the response, from 1 KiB on: `gzip` or `deflate`',
    schema: { type: 'string', maxLength: 256 },
    example: 'gzip',
  },
  'inference-header-content-length': {
    name: 'Inference-Header-Content-Length',
    description:
      'bytes of the JSON before the binary tensors; 0: the whole body is the only input of the model',
    schema: { type: 'integer', minimum: 0 },
  },
};

/** Response headers. */
export const ANSWER_HEADERS: Readonly<Record<AnswerHeader, HeaderDoc>> = {
  location: {
    name: 'Location',
    description: 'address of the job',
    schema: { type: 'string', format: 'uri-reference' },
    example: '/v1/jobs/order-1234',
  },
  'retry-after': {
    name: 'Retry-After',
    description: 'seconds after which to retry',
    schema: SECONDS,
    example: 2,
  },
  'preference-applied': {
    name: 'Preference-Applied',
    description: 'the preference that was applied',
    schema: { type: 'string' },
    example: 'wait=10',
  },
  ratelimit: {
    name: 'RateLimit',
    description:
      'what is left of each limit of the token: `r` the amount, `t` the seconds until it is full again (draft-ietf-httpapi-ratelimit-headers-11)',
    schema: { type: 'string' },
    example: '"rate";r=99;t=1, "jobs";r=180',
  },
  'ratelimit-policy': {
    name: 'RateLimit-Policy',
    description: 'the limits of the token: `q` is the limit, `w` the seconds in which it refills',
    schema: { type: 'string' },
    example: '"rate";q=100;w=2, "jobs";q=200;qu="concurrent-requests"',
  },
  'server-timing': {
    name: 'Server-Timing',
    description: 'milliseconds that the job waited and ran',
    schema: { type: 'string' },
    example: 'queue;dur=4.1, run;dur=0.4',
  },
  'infer-failed-rows': {
    name: 'Infer-Failed-Rows',
    description: 'number of rows without a result, if there are any',
    schema: { type: 'integer', minimum: 1 },
  },
  'inference-header-content-length': {
    name: 'Inference-Header-Content-Length',
    description: 'bytes of the JSON before the binary tensors, if there are any',
    schema: { type: 'integer', minimum: 1 },
  },
  'www-authenticate': {
    name: 'WWW-Authenticate',
    description: 'how to authenticate, and the missing scope (RFC 6750)',
    schema: { type: 'string' },
    example: 'Bearer realm="infer"',
  },
};

/** Component name of a header in the document. */
export function componentName(header: RequestHeader | AnswerHeader): string {
  return header
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}

/** Request headers as components of the document. */
export function parameterComponents(): Record<string, JsonSchema> {
  return components(REQUEST_HEADERS, ({ name, ...rest }) => ({ name, in: 'header', ...rest }));
}

/** Response headers as components of the document. */
export function headerComponents(): Record<string, JsonSchema> {
  return components(ANSWER_HEADERS, ({ name: _, ...rest }) => rest);
}

function components<Header extends RequestHeader | AnswerHeader>(
  headers: Readonly<Record<Header, HeaderDoc>>,
  shown: (header: HeaderDoc) => JsonSchema,
): Record<string, JsonSchema> {
  const entries = Object.entries<HeaderDoc>(headers);
  return Object.fromEntries(entries.map(([header, doc]) => [componentName(header as Header), shown(doc)]));
}
