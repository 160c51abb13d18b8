import { AsyncLocalStorage } from 'node:async_hooks';
import { StringDecoder } from 'node:string_decoder';
import { stripVTControlCharacters } from 'node:util';

/** One line that a handler printed, to be copied to the worker's log. */
export interface HandlerLine {
  model: string;
  stream: 'stdout' | 'stderr';
  /** Empty if no line followed the dropped ones. */
  text: string;
  /** Lines dropped before this one, because they came too fast. */
  leftOut?: number;
}

/** Longer lines are truncated. */
const LINE_MAX = 1000;
/** Lines of a model at once, and then per second: a handler that logs every row must not fill a disk. */
const BURST_LINES = 100;
const LINES_PER_SECOND = 20;
/** How long an unfinished line is held back. */
const PARTIAL_MS = 200;
/** How long after dropping a line this is reported, if no other line is printed. */
const LEFT_OUT_MS = 1000;

interface Source {
  model: string;
  stream: HandlerLine['stream'];
  decoder: StringDecoder;
  partial: string;
}

/** How many lines a model may print at present. */
interface Allowance {
  lines: number;
  at: number;
  leftOut: number;
  /** Where the last dropped line was printed. */
  stream: HandlerLine['stream'];
}

/**
 * Captures what JavaScript code of this process prints (`console`, `process.stdout`, `process.stderr`) and
 * passes it on as lines with the model they belong to. Installed once, before any handler is loaded. Output
 * of native code and of child processes is not captured.
 */
export class HandlerOutput {
  private readonly inside = new AsyncLocalStorage<string>();
  private readonly sources = new Map<string, Source>();
  private readonly allowances = new Map<string, Allowance>();
  /** The model of the current request, for output that comes from no call of a handler. */
  private current = '';
  private timer: NodeJS.Timeout | undefined;
  private leftOutTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly emit: (line: HandlerLine) => void,
    private readonly now: () => number = () => performance.now(),
  ) {}

  install(): void {
    const targets = [
      ['stdout', process.stdout],
      ['stderr', process.stderr],
    ] as const;
    for (const [stream, target] of targets) {
      target.write = ((
        chunk: string | Uint8Array,
        encoding?: BufferEncoding | (() => void),
        done?: () => void,
      ) => {
        this.write(stream, typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
        const callback = typeof encoding === 'function' ? encoding : done;
        if (callback !== undefined) process.nextTick(callback);
        return true;
      }) as typeof process.stdout.write;
    }
    process.on('exit', () => this.flush());
  }

  /**
   * Runs `work`; anything it prints, even later, is attributed to the model. `tracked` costs a little for
   * every promise.
   */
  async within<T>(model: string, tracked: boolean, work: () => Promise<T>): Promise<T> {
    this.current = model;
    return tracked ? this.inside.run(model, work) : work();
  }

  write(stream: HandlerLine['stream'], bytes: Uint8Array): void {
    const source = this.sourceOf(this.inside.getStore() ?? this.current, stream);
    const lines = (source.partial + source.decoder.write(Buffer.from(bytes))).split('\n');
    source.partial = lines.pop() ?? '';
    for (const line of lines) this.say(source, line);
    if (source.partial.length > LINE_MAX) this.end(source);
    else if (source.partial !== '') {
      this.timer ??= setTimeout(() => this.endPartials(), PARTIAL_MS).unref();
    }
  }

  /** Passes on unfinished lines and the number of dropped ones. */
  flush(): void {
    this.endPartials();
    this.tellLeftOut();
  }

  private endPartials(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    for (const source of this.sources.values()) if (source.partial !== '') this.end(source);
  }

  private tellLeftOut(): void {
    clearTimeout(this.leftOutTimer);
    this.leftOutTimer = undefined;
    for (const [model, allowance] of this.allowances) {
      const { leftOut, stream } = allowance;
      if (leftOut === 0) continue;
      allowance.leftOut = 0;
      this.emit({ model, stream, text: '', leftOut });
    }
  }

  private end(source: Source): void {
    const text = source.partial;
    source.partial = '';
    this.say(source, text);
  }

  private say({ model, stream }: Source, line: string): void {
    const plain = stripVTControlCharacters(line).trimEnd();
    if (plain === '') return;
    const allowance = this.allowanceOf(model);
    if (allowance.lines < 1) {
      allowance.leftOut += 1;
      allowance.stream = stream;
      this.leftOutTimer ??= setTimeout(() => this.tellLeftOut(), LEFT_OUT_MS).unref();
      return;
    }
    allowance.lines -= 1;
    const text = plain.length > LINE_MAX ? `${plain.slice(0, LINE_MAX - 1)}…` : plain;
    const { leftOut } = allowance;
    allowance.leftOut = 0;
    this.emit({ model, stream, text, ...(leftOut === 0 ? {} : { leftOut }) });
  }

  private allowanceOf(model: string): Allowance {
    const now = this.now();
    const known = this.allowances.get(model);
    if (known === undefined) {
      const fresh: Allowance = { lines: BURST_LINES, at: now, leftOut: 0, stream: 'stdout' };
      this.allowances.set(model, fresh);
      return fresh;
    }
    known.lines = Math.min(BURST_LINES, known.lines + ((now - known.at) / 1000) * LINES_PER_SECOND);
    known.at = now;
    return known;
  }

  private sourceOf(model: string, stream: HandlerLine['stream']): Source {
    const key = `${stream} ${model}`;
    let source = this.sources.get(key);
    if (source === undefined) {
      source = { model, stream, decoder: new StringDecoder('utf8'), partial: '' };
      this.sources.set(key, source);
    }
    return source;
  }
}

/** Reads the lines that a runner writes to its output pipe: one JSON object per line. */
export class HandlerLines {
  private rest = '';
  private readonly decoder = new StringDecoder('utf8');

  constructor(private readonly onLine: (line: HandlerLine) => void) {}

  push(chunk: Buffer): void {
    const lines = (this.rest + this.decoder.write(chunk)).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) {
      try {
        this.onLine(JSON.parse(line) as HandlerLine);
      } catch {
        // A handler that writes to this descriptor only damages its own lines.
      }
    }
    // None of our lines is this long.
    if (this.rest.length > 16 * LINE_MAX) this.rest = '';
  }
}
