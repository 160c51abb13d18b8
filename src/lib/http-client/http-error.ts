import { type FailureRecord, InferError } from '../core/errors.js';

/** The outcome of a request, in addition to its error. */
interface Refused {
  /** Status of the response; undefined if there was none. */
  status?: number | undefined;
  headers?: Headers | undefined;
  /** The body of the response. */
  problem?: Readonly<Record<string, unknown>> | undefined;
  /** Whether the gateway may have executed the request [true]. */
  mayBeDone?: boolean;
  /** Whether the same request may succeed later. */
  retryable: boolean;
}

/** A request that the gateway refused or did not answer. `code`, `message` and `hint` are the gateway's. */
export class HttpError extends InferError {
  /** Status of the answer; undefined when there was none. */
  readonly status: number | undefined;
  /** Id of the request, as in the gateway's log. */
  readonly requestId: string | undefined;
  /** Milliseconds after which to retry, if the gateway sent them. */
  readonly retryAfterMs: number | undefined;
  /** The body of the response, a problem of RFC 9457. */
  readonly problem: Readonly<Record<string, unknown>> | undefined;
  /** @internal */
  readonly mayBeDone: boolean;
  /** @internal */
  readonly retryable: boolean;
  /** @internal An earlier attempt of the request may have been executed. */
  repeated = false;

  constructor(error: InferError, refused: Refused) {
    super(error.code, error.message, { hint: error.hint, cause: error.cause });
    this.status = refused.status;
    this.requestId = refused.headers?.get('x-request-id') ?? undefined;
    this.retryAfterMs = retryAfterMs(refused.headers?.get('retry-after'));
    this.problem = refused.problem;
    this.mayBeDone = refused.mayBeDone ?? true;
    this.retryable = refused.retryable;
  }
}

/** Milliseconds of `Retry-After`: seconds, or a date. */
function retryAfterMs(value: string | null | undefined): number | undefined {
  if (value === null || value === undefined) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

/** Connection errors that occur before anything is sent. */
const NOT_SENT: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);
const TLS_FAILURE = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|EPROTO$)/;

/** The error of a request without a complete response. @param base address of the gateway */
export function noAnswer(thrown: unknown, base: string): HttpError {
  const cause = (thrown as { cause?: { code?: unknown; message?: unknown } }).cause;
  const code = typeof cause?.code === 'string' ? cause.code : undefined;
  if (code !== undefined && TLS_FAILURE.test(code)) {
    const error = new InferError('HTTP_TLS', `no TLS connection to ${base}: ${code}`, {
      hint: 'set NODE_EXTRA_CA_CERTS to the file of your certificate authority; check the scheme and port',
      cause: thrown,
    });
    return new HttpError(error, { mayBeDone: false, retryable: false });
  }
  const why = code ?? (typeof cause?.message === 'string' ? cause.message : 'the connection was lost');
  const error = new InferError('HTTP_UNREACHABLE', `no gateway answers at ${base}: ${why}`, {
    hint: 'infer serve starts one; check the address and its port',
    cause: thrown,
  });
  return new HttpError(error, { mayBeDone: code === undefined || !NOT_SENT.has(code), retryable: true });
}

/** The error of an attempt that timed out: the connection is open, and nothing arrives. */
export function silent(base: string): HttpError {
  const error = new InferError(
    'HTTP_UNREACHABLE',
    `the gateway at ${base} accepts connections but does not answer`,
  );
  return new HttpError(error, { retryable: true });
}

/** Statuses of proxies that cannot reach their upstream server. */
const OF_PROXIES: ReadonlySet<number> = new Set([429, 502, 503, 504]);
/** Statuses with which the gateway asks for a retry. */
const COME_AGAIN: ReadonlySet<number> = new Set([408, 429, 503]);

/** The error that a response describes. @param text its body */
export function refusal(response: Response, text: string, base: string): HttpError {
  const { status, headers } = response;
  const problem = problemIn(text);
  if (problem !== undefined) {
    const error = InferError.of(problem.failure);
    const { retryable, fault } = error.facts;
    // A failed job has the same response as a failed request, and stays failed. A worker may be missing for
    // a long time: the caller decides whether to wait for one.
    const temporary = retryable && (fault === 'caller' || fault === 'broker') && error.code !== 'NO_WORKERS';
    return new HttpError(error, {
      status,
      headers,
      problem: problem.document,
      mayBeDone: status !== 429 && error.code !== 'DRAINING',
      retryable: temporary && COME_AGAIN.has(status),
    });
  }
  if (OF_PROXIES.has(status)) {
    const error = new InferError('HTTP_UNREACHABLE', `a proxy in front of ${base} answered ${status}`, {
      hint: 'the proxy does not reach infer serve: check that it runs',
    });
    return new HttpError(error, { status, headers, retryable: true });
  }
  return strange(response, base);
}

/** The error of a response that is not from a gateway. */
export function strange({ status, headers }: Response, base: string): HttpError {
  const to = headers.get('location');
  const error = new InferError('HTTP_ANSWER', `the server at ${base} is not a gateway of infer: ${status}`, {
    hint:
      to === null
        ? 'use the address that infer serve prints, with its base path'
        : `it redirects to ${to}: use the final address`,
  });
  return new HttpError(error, { status, headers, retryable: false });
}

function problemIn(text: string) {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { code, detail, hint } = (document ?? {}) as Record<string, unknown>;
  if (typeof code !== 'string' || typeof detail !== 'string') return undefined;
  const failure: FailureRecord = { code, message: detail, ...(typeof hint === 'string' ? { hint } : {}) };
  return { failure, document: document as Record<string, unknown> };
}
