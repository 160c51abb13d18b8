import type { RowResult } from '../client/submit-rows.js';
import { untilAborted } from '../core/bounded.js';
import type { FailureRecord } from '../core/errors.js';
import type { HttpCall } from './call.js';
import { jsonText } from './input-body.js';

/** Rows are sent in pieces of about this many characters, or after this many ms. */
const PIECE_CHARS = 65_536;
const PIECE_MS = 1000;

/** Rows sent to the gateway, one line of JSON each, generated on demand. */
export class RowSource {
  /** The error of the source of rows, or of a row that JSON cannot represent. */
  fault: { error: unknown } | undefined;
  private begun = false;
  private readonly over = new AbortController();

  constructor(
    private readonly rows: Iterable<unknown> | AsyncIterable<unknown>,
    private readonly call: HttpCall,
  ) {}

  /** Whether the rows can be sent from the start: a list always, anything else until it has been read. */
  get repeatable(): boolean {
    return this.fault === undefined && (Array.isArray(this.rows) || !this.begun);
  }

  /** The body of one attempt. */
  open(): ReadableStream<Uint8Array> {
    const pieces = this.pieces();
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const step = await pieces.next();
          if (step.done === true) controller.close();
          else controller.enqueue(step.value);
        },
        // While the source waits for its next row, only `close` ends it.
        cancel: () => void pieces.return(undefined).catch(() => undefined),
      },
      { highWaterMark: 0 },
    );
  }

  /** Closes the source, even while it waits for its next row. */
  close(): void {
    this.over.abort();
  }

  private async *pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    const encoder = new TextEncoder();
    this.begun = true;
    let [text, row, sentAt] = ['', 0, performance.now()];
    try {
      this.call.waitsForRows(true);
      for await (const value of untilAborted(this.rows, this.over.signal)) {
        this.call.waitsForRows(false);
        row += 1;
        text += `${jsonText(value, `row ${row}`)}\n`;
        if (text.length >= PIECE_CHARS || performance.now() - sentAt >= PIECE_MS) {
          yield encoder.encode(text);
          [text, sentAt] = ['', performance.now()];
        }
        this.call.waitsForRows(true);
      }
      this.call.waitsForRows(false);
      if (text !== '') yield encoder.encode(text);
    } catch (error) {
      this.fault = { error };
      throw error;
    } finally {
      this.call.waitsForRows(false);
    }
  }
}

/**
 * The lines of a body as they arrive; an unterminated last line is dropped.
 * @param step awaits one read, within the reader's limits
 */
export async function* linesOf(
  body: ReadableStream<Uint8Array>,
  step: <T>(read: () => Promise<T>) => Promise<T>,
): AsyncGenerator<string, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await step(() => reader.read());
      if (done) return;
      const text = decoder.decode(value, { stream: true });
      let from = 0;
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
        yield rest + text.slice(from, end);
        [rest, from] = ['', end + 1];
      }
      rest += text.slice(from);
    }
  } finally {
    // Aborts the request if its response was not read to the end.
    await reader.cancel().catch(() => undefined);
  }
}

/** One line of a result. @param mayFail some row failed; otherwise `{"error": …}` is a value */
export function rowResult(line: string, row: number, mayFail: boolean): RowResult {
  const value = JSON.parse(line) as unknown;
  const error = mayFail ? failureIn(value) : undefined;
  return error === undefined ? { row, value } : { row, error };
}

function failureIn(value: unknown): FailureRecord | undefined {
  if (typeof value !== 'object' || value === null || Object.keys(value).join() !== 'error') return undefined;
  const { error } = value as { error: unknown };
  const { code, message } = (error ?? {}) as Record<string, unknown>;
  return typeof code === 'string' && typeof message === 'string' ? (error as FailureRecord) : undefined;
}
