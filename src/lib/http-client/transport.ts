import { setTimeout as delay } from 'node:timers/promises';
import { bounded } from '../core/bounded.js';
import { InferError } from '../core/errors.js';
import type { HttpCall } from './call.js';
import { HttpError, noAnswer, refusal, silent, strange } from './http-error.js';
import type { HttpOptions } from './types.js';

type RequestBody = NonNullable<RequestInit['body']>;

/** A request that is retried while that can help. */
export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Path below the base path, with its query. */
  path: string;
  headers?: Readonly<Record<string, string>>;
  /** Creates the body of one attempt. */
  body?: () => RequestBody;
  /** False if sending it twice has its effect twice. */
  idempotent: boolean;
  /** Whether the body can be created again [true]. */
  repeatable?: () => boolean;
  /** Milliseconds after which an attempt without a response is aborted [none]. */
  patienceMs?: number;
}

/** A response with a JSON document. */
export interface JsonAnswer {
  status: number;
  headers: Headers;
  body: unknown;
  /** Whether an earlier attempt, whose response was lost, may have been executed. */
  repeated: boolean;
}

const DEFAULT_RETRIES = 4;
/** About two minutes. */
const WAITING_RETRIES = 20;
/** Pause before the first retry, ms; doubles up to the maximum. */
const PAUSE_MS = 200;
const MOST_PAUSE_MS = 8000;
const TOKEN = /^[\x21-\x7e]+$/;

/** Sends requests to one gateway: address, token, retries and errors. */
export class Transport {
  /** Without a trailing slash. */
  readonly base: string;
  private readonly fetch: typeof globalThis.fetch;
  private readonly retries: number;
  private readonly headers: Readonly<Record<string, string>>;

  /** @throws InferError HTTP_URL (2). */
  constructor(private readonly options: HttpOptions) {
    this.base = baseOf(options.url);
    this.fetch = options.fetch ?? globalThis.fetch;
    this.retries = options.retries ?? DEFAULT_RETRIES;
    const own = Object.entries(options.headers ?? {});
    // A name in two spellings would be sent as one header with two values.
    this.headers = Object.fromEntries(own.map(([name, value]) => [name.toLowerCase(), value]));
  }

  /** @throws HttpError with the gateway's code, or HTTP_… if no gateway answers; the signal's reason. */
  json(call: HttpCall, request: HttpRequest): Promise<JsonAnswer> {
    return this.attempts(call, request, async (response) => {
      const { status, headers } = response;
      const text = await response.text();
      if (status === 204) return { status, headers, body: undefined };
      if (!/\bjson\b/.test(headers.get('content-type') ?? '')) throw strange(response, this.base);
      return { status, headers, body: this.parsed(text, response) };
    });
  }

  /** The same for a response that is read as it arrives. */
  async stream(call: HttpCall, request: HttpRequest): Promise<Response> {
    const { response } = await this.attempts(call, request, async (response) => ({ response }));
    return response;
  }

  private async attempts<T extends object>(
    call: HttpCall,
    request: HttpRequest,
    read: (response: Response) => Promise<T>,
  ): Promise<T & { repeated: boolean }> {
    let repeated = false;
    for (let attempt = 1; ; attempt++) {
      try {
        return { ...(await this.attempt(call, request, read)), repeated };
      } catch (error) {
        call.signal.throwIfAborted();
        if (!(error instanceof HttpError)) throw error;
        call.failed(error);
        error.repeated = repeated;
        repeated ||= error.mayBeDone;
        const pause = error.retryAfterMs ?? pauseMs(attempt);
        if (attempt > this.most(call) || !isRepeatable(error, request) || pause >= call.leftMs) throw error;
        await delay(pause, undefined, { signal: call.signal });
      }
    }
  }

  /** Number of retries of a call; more while it waits for its job, since a gateway takes time to restart. */
  private most({ waits }: HttpCall): number {
    return waits && this.retries > 0 ? Math.max(this.retries, WAITING_RETRIES) : this.retries;
  }

  private parsed(text: string, response: Response): unknown {
    try {
      return JSON.parse(text);
    } catch {
      throw strange(response, this.base);
    }
  }

  private async attempt<T>(
    { signal }: HttpCall,
    { method, path, headers, body, patienceMs }: HttpRequest,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    const { fetch } = this;
    const authorization = await this.authorization();
    const send = async (over: AbortSignal): Promise<T> => {
      try {
        const response = await fetch(this.base + path, {
          method,
          headers: { accept: 'application/json', ...this.headers, ...authorization, ...headers },
          ...(body === undefined ? {} : { body: body(), duplex: 'half' as const }),
          redirect: 'manual',
          signal: over,
        });
        if (!response.ok) throw refusal(response, await response.text(), this.base);
        return await read(response);
      } catch (error) {
        over.throwIfAborted();
        throw error instanceof InferError ? error : noAnswer(error, this.base);
      }
    };
    return bounded(send, { timeoutMs: patienceMs, signal }, () => silent(this.base));
  }

  /** @throws InferError TOKEN (77) for a token that a header cannot contain; it is not shown. */
  private async authorization(): Promise<Record<string, string>> {
    const { token } = this.options;
    const text = (typeof token === 'function' ? await token() : token)?.trim();
    if (text === undefined || text === '') return {};
    if (TOKEN.test(text)) return { authorization: `Bearer ${text}` };
    throw new InferError('TOKEN', 'the token has characters that a header cannot contain', {
      hint: 'pass it as infer token create prints it',
    });
  }
}

/** Whether to retry a request after it failed. */
function isRepeatable(error: HttpError, { idempotent, repeatable }: HttpRequest): boolean {
  return error.retryable && (idempotent || !error.mayBeDone) && repeatable?.() !== false;
}

/** Random, so that callers do not all retry at the same time after a gateway was down. */
function pauseMs(attempt: number): number {
  return Math.min(MOST_PAUSE_MS, PAUSE_MS * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
}

/** The address that paths are appended to. @throws InferError HTTP_URL (2) for an invalid one. */
function baseOf(given: string | URL): string {
  const url = URL.canParse(String(given)) ? new URL(given) : undefined;
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (url === undefined || !isHttp || `${url.username}${url.password}${url.search}${url.hash}` !== '') {
    // Not shown: it may contain a password.
    throw new InferError('HTTP_URL', 'the address of the gateway is not an http or https address', {
      hint: "use url: 'http://127.0.0.1:8000', with its base path and without a query; pass the token as token",
    });
  }
  return url.origin + url.pathname.replace(/\/+$/, '');
}
