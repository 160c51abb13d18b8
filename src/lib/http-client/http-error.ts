import { type FailureRecord, InferError } from '../core/errors.js';

/** What came of a request besides its error. */
interface Refused {
  /** Status of the answer; undefined when there was none. */
  status?: number | undefined;
  headers?: Headers | undefined;
  /** The document of the answer. */
  problem?: Readonly<Record<string, unknown>> | undefined;
  /** Whether the gateway may have carried the request out [true]. */
  mayBeDone?: boolean;
  /** Whether the same request may be answered otherwise later. */
  retryable: boolean;
}

/** A request that the gateway refused, or did not answer. `code`, `message` and `hint` are the gateway's. */
export class HttpError extends InferError {
  /** Status of the answer; undefined when there was none. */
  readonly status: number | undefined;
  /** Id of the request, by which the log of the gateway knows it. */
  readonly requestId: string | undefined;
  /** Milliseconds after which to come again, where the gateway says that. */
  readonly retryAfterMs: number | undefined;
  /** The document of the answer, as RFC 9457 has it. */
  readonly problem: Readonly<Record<string, unknown>> | undefined;
  /** @internal */
  readonly mayBeDone: boolean;
  /** @internal */
  readonly retryable: boolean;
  /** @internal An earlier attempt of the request may have been carried out. */
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

/** Failures of a connection before anything was sent. */
const NOT_SENT: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);
const TLS_FAILURE = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|EPROTO$)/;

/** The error of a request without an answer, or with half of one. @param base address of the gateway */
export function noAnswer(thrown: unknown, base: string): HttpError {
  const cause = (thrown as { cause?: { code?: unknown; message?: unknown } }).cause;
  const code = typeof cause?.code === 'string' ? cause.code : undefined;
  if (code !== undefined && TLS_FAILURE.test(code)) {
    const error = new InferError('HTTP_TLS', `no TLS connection to ${base}: ${code}`, {
      hint: 'name the file of your certificate authority in NODE_EXTRA_CA_CERTS; check the scheme and port',
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

/** An attempt that was given up: the connection is open, and nothing comes. */
export function silent(base: string): HttpError {
  const error = new InferError('HTTP_UNREACHABLE', `the gateway at ${base} accepts requests and is silent`);
  return new HttpError(error, { retryable: true });
}

/** What proxies answer when they cannot reach what is behind them. */
const OF_PROXIES: ReadonlySet<number> = new Set([429, 502, 503, 504]);
/** Statuses of the gateway that ask to come again. */
const COME_AGAIN: ReadonlySet<number> = new Set([408, 429, 503]);

/** The error that an answer tells. @param text its body */
export function refusal(response: Response, text: string, base: string): HttpError {
  const { status, headers } = response;
  const problem = problemIn(text);
  if (problem !== undefined) {
    const error = InferError.of(problem.failure);
    const { retryable, fault } = error.facts;
    // A job that failed is answered like a request that failed, and stays failed. A worker may be missing for
    // long: the caller decides whether to wait for one.
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
    const error = new InferError('HTTP_UNREACHABLE', `what is before ${base} answered ${status}`, {
      hint: 'the proxy does not reach infer serve: see that it runs',
    });
    return new HttpError(error, { status, headers, retryable: true });
  }
  return strange(response, base);
}

/** An answer that is none of the gateway's. */
export function strange({ status, headers }: Response, base: string): HttpError {
  const to = headers.get('location');
  const error = new InferError('HTTP_ANSWER', `what answers at ${base} is no gateway of infer: ${status}`, {
    hint:
      to === null
        ? 'give the address that infer serve prints, with its base path'
        : `it leads to ${to}: give the address that is meant`,
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
