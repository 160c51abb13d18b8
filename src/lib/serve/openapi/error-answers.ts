import { STATUS_CODES } from 'node:http';
import type { z } from 'zod';
import type { ErrorCode } from '../../core/error-table.js';
import { InferError } from '../../core/errors.js';
import type { RouteAccess } from '../auth/caller.js';
import { type ErrorForm, problemForm } from '../http/app.js';
import type { AnswerHeader, RouteDoc } from '../http/route-doc.js';
import { OPENAI_ERROR, PROBLEM } from './error-bodies.js';

/** What determines the errors of a route, in addition to those that it names. */
export interface ErrorSources {
  method: string;
  access: RouteAccess;
  errorForm: ErrorForm | undefined;
  /** The path or query parameters are validated. */
  hasParameters: boolean;
  doc: RouteDoc;
}

/** The errors of a route with one status. */
export interface ErrorAnswer {
  description: string;
  headers: readonly AnswerHeader[];
  /** By media type; undefined: the route documents its body itself. */
  content: Readonly<Record<string, z.ZodType | undefined>>;
}

/** Codes with which any request can be refused. */
const ANY: readonly ErrorCode[] = ['HTTP_REQUEST', 'HTTP_SLOW', 'HTTP_HOST', 'HTTP_LATE', 'INTERNAL'];
const OF_BODY: readonly ErrorCode[] = [
  'INPUT_JSON',
  'INPUT_ENCODING',
  'INPUT_KEY',
  'INPUT_TOO_DEEP',
  'PARAMETER',
  'INPUT_TOO_LARGE',
  'INPUT_FORMAT',
  'BODIES_FULL',
];
/** An invalid `Content-Type` is refused for every method that allows a body, even if the route has none. */
const OF_UNSAFE: readonly ErrorCode[] = ['HTTP_ORIGIN', 'INPUT_FORMAT'];
const SAFE = ['GET', 'HEAD', 'OPTIONS'];

/** Errors before routing, always a problem document; the text is used where no code describes the status. */
const BEFORE_ROUTES: Readonly<Record<number, string | undefined>> = {
  400: undefined,
  408: undefined,
  431: 'the headers are larger than 16 KiB (HTTP_REQUEST)',
};

const HEADERS: Readonly<Record<number, readonly AnswerHeader[]>> = {
  401: ['www-authenticate'],
  403: ['www-authenticate'],
  429: ['retry-after', 'ratelimit', 'ratelimit-policy'],
  503: ['retry-after'],
};

/** Codes of all errors that a route can return. */
export function errorCodes({ method, access, hasParameters, doc }: ErrorSources): ErrorCode[] {
  const codes: ErrorCode[] = [...ANY];
  if (access !== 'open') codes.push('TOKEN');
  if (access !== 'open' && access !== 'optional' && access !== 'known') codes.push('TOKEN_SCOPE');
  if (!SAFE.includes(method)) codes.push(...OF_UNSAFE);
  if (hasParameters) codes.push('PARAMETER');
  if (doc.body !== undefined) codes.push(...OF_BODY);
  codes.push(...(doc.errors ?? []));
  return [...new Set(codes)];
}

/** The errors of a route by status, in the error format of the route. */
export function errorAnswers(route: ErrorSources): Map<number, ErrorAnswer> {
  const byStatus = new Map<number, { codes: string[]; content: Record<string, z.ZodType | undefined> }>();
  const at = (status: number) => {
    const known = byStatus.get(status) ?? { codes: [], content: {} };
    byStatus.set(status, known);
    return known;
  };
  for (const code of errorCodes(route)) {
    const { status, contentType, schema } = written(code, route.errorForm);
    const answer = at(status);
    answer.codes.push(code);
    answer.content[contentType] = schema;
  }
  for (const status of Object.keys(BEFORE_ROUTES)) {
    at(Number(status)).content['application/problem+json'] = PROBLEM;
  }
  return new Map(
    [...byStatus].map(([status, { codes, content }]) => {
      const what = codes.length === 0 ? BEFORE_ROUTES[status] : codes.join(', ');
      const description = `${STATUS_CODES[status] ?? 'Error'}: ${what}`;
      return [status, { description, headers: HEADERS[status] ?? [], content }];
    }),
  );
}

/** The response of a route to an error with this code. */
function written(code: ErrorCode, form: ErrorForm = problemForm) {
  const error = new InferError(code, 'an example');
  const { contentType, status = error.facts.httpStatus, body } = form(error, '/', '');
  return { contentType, status, schema: schemaOf(body as Readonly<Record<string, unknown>>) };
}

/** Identifies the error format by its fields. */
function schemaOf(body: Readonly<Record<string, unknown>>): z.ZodType | undefined {
  if ('type' in body) return PROBLEM;
  return typeof body.error === 'object' ? OPENAI_ERROR : undefined;
}
