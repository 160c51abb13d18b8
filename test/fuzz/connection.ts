import { connect, type Socket } from 'node:net';
import { HOST, type Wire, wireBytes } from './draft.js';

/** A response. */
export interface Answer {
  status: number;
  /** Headers, with names in lower case. */
  headers: readonly (readonly [string, string])[];
  body: Buffer;
  /** The body is incomplete: the connection ended, or it is an endless stream. */
  partial: boolean;
}

/** A response, or: the connection was closed, nothing arrived in time, or the data was not HTTP. */
export type Outcome = Answer | { failure: 'closed' | 'late' | 'malformed'; text: string };

/** Time limit of a response, ms. */
const ANSWER_MS = 40_000;
/** A body of this size may still be in transit when it is refused. */
const LARGE_BYTES = 65_536;

/** One connection at a time to a server, kept for the next request if HTTP allows it. */
export class Connection {
  private socket: Socket | undefined;

  constructor(private readonly port: number) {}

  /** Sends a request, and reads the first response. */
  async ask(wire: Wire, answerMs = ANSWER_MS): Promise<Outcome> {
    const kept = this.socket;
    this.socket = undefined;
    const first = await this.exchange(kept ?? (await open(this.port)), wire, answerMs);
    // The server may close an idle connection just as it is reused.
    if (kept === undefined || !('failure' in first) || first.failure !== 'closed' || first.text !== '')
      return first;
    return this.exchange(await open(this.port), wire, answerMs);
  }

  close(): void {
    this.socket?.destroy();
    this.socket = undefined;
  }

  private exchange(socket: Socket, wire: Wire, answerMs: number): Promise<Outcome> {
    return new Promise((resolve) => {
      const reader = new AnswerReader(wire.method);
      const end = (outcome: Outcome): void => {
        clearTimeout(timer);
        socket.removeAllListeners();
        // A late reset does not matter.
        socket.on('error', () => undefined);
        if (!('failure' in outcome) && isReusable(wire, outcome)) this.socket = socket;
        else socket.destroy();
        resolve(outcome);
      };
      const timer = setTimeout(() => end({ failure: 'late', text: reader.text }), answerMs);
      const closed = (): void => end(reader.atEnd() ?? { failure: 'closed', text: reader.text });
      socket.on('data', (piece) => {
        try {
          const answer = reader.read(piece);
          if (answer !== undefined) end(answer);
        } catch {
          end({ failure: 'malformed', text: reader.text });
        }
      });
      socket.on('end', closed);
      socket.on('error', closed);
      socket.on('close', closed);
      const bytes = wireBytes(wire);
      if (wire.halfClosed) socket.end(bytes);
      else socket.write(bytes);
    });
  }
}

function isReusable(wire: Wire, { partial, headers, status }: Answer): boolean {
  if (partial || wire.last || wire.halfClosed || wire.raw !== undefined) return false;
  if (status >= 400 && wire.body.length > LARGE_BYTES) return false;
  return headerOf(headers, 'connection')?.toLowerCase() !== 'close';
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: HOST, noDelay: true }, () => {
      socket.removeListener('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

export function headerOf(headers: Answer['headers'], name: string): string | undefined {
  return headers.find(([one]) => one === name)?.[1];
}

const HEAD_END = '\r\n\r\n';
const STATUS_LINE = /^HTTP\/1\.[01] (\d{3})(?: |$)/;

/** Reads one response from the bytes of a connection. */
class AnswerReader {
  private bytes = Buffer.alloc(0);
  private head: { status: number; headers: [string, string][]; bodyAt: number } | undefined;

  constructor(private readonly method: string) {}

  /** The received text, for a report. */
  get text(): string {
    return this.bytes.toString('latin1', 0, 300);
  }

  /** @returns the response once it is complete @throws Error if the data is not HTTP */
  read(piece: Buffer): Answer | undefined {
    this.bytes = Buffer.concat([this.bytes, piece]);
    this.head ??= this.readHead();
    return this.head === undefined ? undefined : this.readBody(this.head, false);
  }

  /** The response when the connection has ended; undefined if there is none. */
  atEnd(): Answer | undefined {
    return this.head === undefined ? undefined : this.readBody(this.head, true);
  }

  private readHead(): AnswerReader['head'] {
    for (;;) {
      const end = this.bytes.indexOf(HEAD_END);
      if (end < 0) return undefined;
      const [line = '', ...rest] = this.bytes.toString('latin1', 0, end).split('\r\n');
      const status = Number(STATUS_LINE.exec(line)?.[1] ?? Number.NaN);
      if (Number.isNaN(status)) throw new Error('no status line');
      const headers = rest.map((one): [string, string] => {
        const colon = one.indexOf(':');
        if (colon < 1) throw new Error('a header without a colon');
        return [one.slice(0, colon).toLowerCase(), one.slice(colon + 1).trim()];
      });
      const bodyAt = end + HEAD_END.length;
      if (status >= 200) return { status, headers, bodyAt };
      // 100 Continue: the response follows.
      this.bytes = this.bytes.subarray(bodyAt);
    }
  }

  private readBody(head: NonNullable<AnswerReader['head']>, ended: boolean): Answer | undefined {
    const { status, headers, bodyAt } = head;
    const rest = this.bytes.subarray(bodyAt);
    const answer = (body: Buffer, partial: boolean): Answer => ({ status, headers, body, partial });
    if (this.method === 'HEAD' || status === 204 || status === 304) return answer(Buffer.alloc(0), false);
    // A stream of events may never end.
    const endless = headerOf(headers, 'content-type')?.startsWith('text/event-stream') === true;
    if (endless && rest.includes('data:')) return answer(rest, true);
    if (/\bchunked$/i.test(headerOf(headers, 'transfer-encoding') ?? '')) {
      const { body, complete } = unchunked(rest);
      return complete || ended ? answer(body, !complete) : undefined;
    }
    const length = headerOf(headers, 'content-length');
    if (length === undefined) return ended ? answer(rest, false) : undefined;
    const complete = rest.length >= Number(length);
    return complete || ended ? answer(rest.subarray(0, Number(length)), !complete) : undefined;
  }
}

function unchunked(bytes: Buffer): { body: Buffer; complete: boolean } {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = bytes.indexOf('\r\n', at);
    if (end < 0) return { body: Buffer.concat(parts), complete: false };
    const size = Number.parseInt(bytes.toString('latin1', at, end), 16);
    if (Number.isNaN(size)) throw new Error('a chunk without a size');
    const from = end + 2;
    if (size === 0) return { body: Buffer.concat(parts), complete: bytes.indexOf('\r\n', from) >= 0 };
    if (bytes.length < from + size + 2) return { body: Buffer.concat(parts), complete: false };
    parts.push(bytes.subarray(from, from + size));
    at = from + size + 2;
  }
}
