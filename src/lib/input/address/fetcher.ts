import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, STATUS_CODES } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { answerWithin } from '../../core/bounded.js';
import { badInput, InferError } from '../../core/errors.js';
import { formatBytes } from '../../core/units.js';
import { checkReach, isPublic, parseAddress, publicLookup, type Reach, shownAddress } from './reach.js';

/** Longest wait for an answer, and for the next bytes of one, ms. */
const SILENT_MS = 30_000;
/** Longest time for an image, ms. */
const IMAGE_MS = 60_000;
const MOST_REDIRECTS = 5;
const MOST_IMAGE_BYTES = 64 * 1024 * 1024;
/** Most bytes of a file of rows, which is streamed. */
const MOST_FILE_BYTES = 64 * 1024 * 1024 * 1024;
/** Waits before an image is asked for again, ms. */
const RETRIES_MS = [500, 2000];
/** Answers of a server that may soon answer otherwise. */
const PASSING = new Set([408, 429, 500, 502, 503, 504]);

/**
 * Fetches addresses over HTTP, without cookies, credentials and proxies. Redirects are followed, at most five: never from
 * https to http, and from a public server only to public servers.
 */
export class Fetcher {
  private readonly agents = new Map<string, HttpAgent>();
  private isClosed = false;

  constructor(
    private readonly reach: Reach,
    private readonly signal?: AbortSignal | undefined,
  ) {}

  /** The content of an address as it arrives. @throws InferError INPUT_ADDRESS, INPUT_FETCH; from the stream too. */
  async open(address: string): Promise<Readable> {
    const url = parseAddress(address);
    const response = await this.answer(url);
    const stream = Readable.from(body(response, url, MOST_FILE_BYTES), {
      objectMode: true,
      highWaterMark: 1,
    });
    // Ends a wait for bytes that never come.
    stream.once('close', () => response.destroy());
    return stream;
  }

  /** The bytes of an image; asked for again where the failure may pass. @throws InferError INPUT_ADDRESS, INPUT_FETCH, INPUT_TOO_LARGE. */
  async image(address: string): Promise<Buffer> {
    const url = parseAddress(address);
    for (const wait of RETRIES_MS) {
      try {
        return await this.whole(url);
      } catch (error) {
        // After another image of the same rows has failed, nothing waits for this one.
        if (this.isClosed || !(error instanceof PassingError)) throw error;
        await sleep(wait, undefined, { signal: this.signal });
      }
    }
    return this.whole(url);
  }

  /** Closes all connections; what is being fetched fails, and is not asked for again. */
  close(): void {
    this.isClosed = true;
    for (const agent of this.agents.values()) agent.destroy();
  }

  private async whole(url: URL): Promise<Buffer> {
    let response: IncomingMessage | undefined;
    const read = async () => {
      response = await this.answer(url);
      const parts: Buffer[] = [];
      for await (const part of body(response, url, MOST_IMAGE_BYTES)) parts.push(part);
      return Buffer.concat(parts);
    };
    const late = () => {
      response?.destroy();
      throw new PassingError(url, `did not arrive within ${IMAGE_MS / 1000} s`);
    };
    return answerWithin(IMAGE_MS, read(), late, this.signal);
  }

  private async answer(first: URL): Promise<IncomingMessage> {
    let url = first;
    let { reach } = this;
    for (let hops = 0; ; hops++) {
      const response = await this.ask(url, reach);
      const { statusCode = 0, headers } = response;
      if (statusCode === 200) return response;
      const isFrom = response.socket?.remoteAddress;
      response.destroy();
      if (![301, 302, 303, 307, 308].includes(statusCode) || headers.location === undefined) {
        const text = `answered ${statusCode} ${STATUS_CODES[statusCode] ?? ''}`.trim();
        if (PASSING.has(statusCode)) throw new PassingError(url, text);
        throw failed(url, text, 'check the address; a signed one may have expired');
      }
      if (hops >= MOST_REDIRECTS)
        throw failed(
          first,
          `leads to more than ${MOST_REDIRECTS} others`,
          'give the address where the file is',
        );
      if (!URL.canParse(headers.location, url.href))
        throw failed(url, 'leads to what is no address', 'give the address where the file is');
      const next = parseAddress(new URL(headers.location, url).href);
      if (url.protocol === 'https:' && next.protocol === 'http:') {
        throw badInput('INPUT_ADDRESS', `${shownAddress(url)} leads to one that is not encrypted`, {
          hint: 'give the address where the file is',
        });
      }
      // A server outside must not make this machine ask one inside. One whose connection is gone may be outside.
      if (isFrom === undefined || isPublic(isFrom)) reach = 'public';
      url = next;
    }
  }

  private ask(url: URL, reach: Reach): Promise<IncomingMessage> {
    checkReach(url, reach);
    const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const asked = request(url, {
        agent: this.agentOf(url, reach),
        headers: { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'infer' },
        ...(reach === 'public' ? { lookup: publicLookup } : {}),
        ...(this.signal === undefined ? {} : { signal: this.signal }),
      });
      const timer = setTimeout(
        () => asked.destroy(new PassingError(url, `did not answer within ${SILENT_MS / 1000} s`)),
        SILENT_MS,
      );
      asked.once('response', (response) => {
        clearTimeout(timer);
        resolve(response);
      });
      // Also after an answer: a broken connection is then reported here as well as where it is read.
      asked.on('error', (error) => {
        clearTimeout(timer);
        reject(this.signal?.aborted ? this.signal.reason : networkError(url, error));
      });
      asked.end();
    });
  }

  /** Connections are kept for the next address of the same server; a checked one is never shared with others. */
  private agentOf(url: URL, reach: Reach): HttpAgent {
    const key = `${url.protocol}${reach}`;
    let agent = this.agents.get(key);
    if (agent === undefined) {
      agent = new (url.protocol === 'https:' ? HttpsAgent : HttpAgent)({ keepAlive: true });
      this.agents.set(key, agent);
    }
    return agent;
  }
}

/** @throws InferError INPUT_FETCH for a silent or broken connection, INPUT_TOO_LARGE */
async function* body(response: IncomingMessage, url: URL, most: number): AsyncGenerator<Buffer> {
  const parts = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let bytes = 0;
  try {
    for (;;) {
      const silent = () => {
        throw new PassingError(url, `sent nothing for ${SILENT_MS / 1000} s`);
      };
      const next = await answerWithin(SILENT_MS, parts.next(), silent).catch((error: unknown) => {
        throw networkError(url, error);
      });
      if (next.done) return;
      bytes += next.value.length;
      if (bytes > most) {
        throw badInput('INPUT_TOO_LARGE', `${shownAddress(url)} has more than ${formatBytes(most)}`, {
          hint: 'give a smaller file',
        });
      }
      yield next.value;
    }
  } finally {
    response.destroy();
  }
}

function networkError(url: URL, error: unknown): unknown {
  if (error instanceof InferError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (code === 'ENOTFOUND')
    return failed(url, 'has a host that is not known', 'check the name of the host', error);
  if (/CERT|SIGNATURE|ISSUER/.test(code)) {
    const hint = 'NODE_EXTRA_CA_CERTS names a file with the certificate of its authority';
    return failed(url, `has a certificate that is not trusted (${code})`, hint, error);
  }
  return new PassingError(url, `cannot be fetched: ${code || message}`, error);
}

function failed(url: URL, what: string, hint: string, cause?: unknown): InferError {
  return new InferError('INPUT_FETCH', `${shownAddress(url)} ${what}`, { hint, cause });
}

/** A failure that may pass. */
class PassingError extends InferError {
  constructor(url: URL, what: string, cause?: unknown) {
    super('INPUT_FETCH', `${shownAddress(url)} ${what}`, {
      hint: 'try it again, or download it first and name the file',
      cause,
    });
  }
}
