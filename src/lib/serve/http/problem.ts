import type { ErrorCode } from '../../core/error-table.js';
import { InferError } from '../../core/errors.js';
import { Refusal } from './refusal.js';

/** Body of every error response: RFC 9457, with `error` for clients of the Open Inference Protocol. */
export interface Problem {
  /** Address on this server that explains the code, relative to its root. */
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  /** How to fix it. */
  hint?: string;
  /** The requested path, without the query. */
  instance: string;
  /** The same text as `detail`. */
  error: string;
}

/** Fastify's errors by code; its own messages name functions and options. */
const OF_FASTIFY: Readonly<Record<string, readonly [ErrorCode, string, string?]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['INPUT_TOO_LARGE', 'the body is larger than this server accepts'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['HTTP_REQUEST', 'the body is not as long as its Content-Length says'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['INPUT_FORMAT', 'this Content-Type is not supported'],
  FST_ERR_BAD_URL: ['HTTP_REQUEST', 'the address is not correctly percent-encoded'],
  FST_ERR_MAX_PARAM_LENGTH: ['HTTP_REQUEST', 'a part of the address is too long'],
};

/**
 * What the caller is told about any error. Of errors of Redis or infer only the code is shown: their messages
 * name servers, which not every caller may know.
 * @returns an `InferError`, made from `error` if it is none; INTERNAL if it was unexpected.
 */
export function answerable(error: unknown): InferError {
  if (error instanceof InferError) return error;
  const { code, statusCode, validation, message } = error as {
    code?: string;
    statusCode?: number;
    validation?: { instancePath?: string; message?: string }[];
    message?: string;
  };
  if (validation !== undefined)
    return new InferError('PARAMETER', validationText(validation, message), { cause: error });
  const known = code === undefined ? undefined : OF_FASTIFY[code];
  if (known !== undefined) {
    const [ours, text, hint] = known;
    return new InferError(ours, text, { hint, cause: error });
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new InferError('HTTP_REQUEST', 'the request is malformed', { cause: error });
  return new InferError('INTERNAL', 'this failed; the log of the server says why', { cause: error });
}

function validationText(
  validation: readonly { instancePath?: string; message?: string }[],
  message: string | undefined,
): string {
  const [first] = validation;
  const name = first?.instancePath?.replace(/^\//, '').replaceAll('/', '.') ?? '';
  const text = first?.message ?? message ?? 'it is not valid';
  return name === '' ? text : `${name}: ${text}`;
}

/**
 * @param path of the request, without the query
 * @param basePath of the server, for the address that explains the code
 */
export function problemOf(error: InferError, path: string, basePath = ''): Problem {
  const { code, facts, hint } = error;
  const detail = facts.fault === 'broker' || facts.fault === 'bug' ? publicText(error) : error.message;
  return {
    type: `${basePath}/errors/${code}`,
    title: facts.meaning.replace(/\.$/, ''),
    status: facts.httpStatus,
    detail,
    code,
    ...(hint === undefined || facts.fault === 'broker' ? {} : { hint }),
    instance: path,
    error: detail,
    ...(error instanceof Refusal ? error.members : {}),
  };
}

function publicText({ facts, code, message }: InferError): string {
  return code === 'INTERNAL' ? message : facts.meaning.replace(/\.$/, '');
}
