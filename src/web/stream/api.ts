import { problemOf, RequestError, UNREACHABLE } from './problem.js';

/** Longer than any answer should take; a request that hangs must not leave the page without a word. */
const TIMEOUT_MS = 20_000;

export interface ApiOptions {
  /** Address of the page, whose `api/` is called. */
  base: string;
  token(): string | undefined;
  fetch?: typeof fetch;
}

/** Requests to the dashboard's server. Every one carries the token, if there is one. */
export class Api {
  constructor(private readonly options: ApiOptions) {}

  /**
   * @param query parameters; empty and undefined ones are left out
   * @throws RequestError, or the reason of `signal`
   */
  get<T>(path: string, query: Record<string, string | undefined> = {}, signal?: AbortSignal): Promise<T> {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== '') search.set(name, value);
    }
    const text = search.toString();
    return this.request(text === '' ? path : `${path}?${text}`, {}, signal);
  }

  /** @throws RequestError, or the reason of `signal` */
  post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
    const headers = { 'content-type': 'application/json' };
    return this.request(path, { method: 'POST', headers, body: JSON.stringify(body) }, signal);
  }

  /** The answer to a GET that is read as a stream. @throws RequestError, or the reason of `signal` */
  async open(path: string, signal: AbortSignal): Promise<Response> {
    return this.send(path, { headers: { accept: 'text/event-stream' } }, signal);
  }

  private async request<T>(path: string, init: RequestInit, signal?: AbortSignal): Promise<T> {
    const limit = AbortSignal.timeout(TIMEOUT_MS);
    const response = await this.send(path, init, signal ? AbortSignal.any([signal, limit]) : limit);
    try {
      return (await response.json()) as T;
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new RequestError(UNREACHABLE);
    }
  }

  private async send(path: string, init: RequestInit, signal: AbortSignal): Promise<Response> {
    const token = this.options.token();
    const headers = new Headers(init.headers);
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
    let response: Response;
    try {
      const send = this.options.fetch ?? fetch;
      response = await send(new URL(path, this.options.base), {
        ...init,
        headers,
        signal,
        // The token is in a header: no cookie of another program on this host is of use here.
        credentials: 'omit',
      });
    } catch (error) {
      if (signal.aborted && !(signal.reason as Error | undefined)?.name?.startsWith('Timeout')) throw error;
      throw new RequestError(UNREACHABLE);
    }
    if (!response.ok) throw new RequestError(await problemOf(response));
    return response;
  }
}
