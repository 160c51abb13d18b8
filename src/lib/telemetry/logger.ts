import { styleText } from 'node:util';
import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';
import { withoutCredentials } from '../core/credentials.js';
import { printable } from '../core/job.js';
import { LogSink, type LogStream } from './log-sink.js';

export type Logger = PinoLogger;
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export interface LoggerOptions {
  level: LogLevel;
  /** The target of lines; default: standard error. */
  stream?: LogStream | undefined;
  /** Short lines for people instead of JSON; default: if the stream is a terminal. */
  pretty?: boolean | undefined;
  color?: boolean | undefined;
  /** Fields added to every line, such as the worker's id. */
  base?: Record<string, unknown> | undefined;
}

/** Fields that may contain a payload or a secret: their values never appear in a log line. */
const REDACTED_KEY =
  /^(?:.*(?:password|passwd|secret|token|authorization|cookie)|.*url|payload|data|input|inputs|output|outputs|result|rows_data|argv)$/i;
const TEXT_MAX = 1000;
const DEPTH_MAX = 4;
const ITEMS_MAX = 50;

/** Text suitable for a log line: no control characters, no credentials of a URL, limited length. */
function logText(text: string): string {
  // Masked before it is truncated: in half a URL, the end of the password would not be recognisable.
  const masked = withoutCredentials(text.slice(0, 4 * TEXT_MAX));
  return printable(masked.length > TEXT_MAX ? `${masked.slice(0, TEXT_MAX)}…` : masked);
}

/** A number with its significant digits: 12.34, 1235, and integers unchanged. */
function logNumber(value: number): number {
  if (!Number.isFinite(value) || Number.isInteger(value)) return value;
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(4));
}

function clean(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return logText(value);
  if (typeof value === 'number') return logNumber(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error) return cleanError(value);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof Date) return value.toISOString();
  if (depth >= DEPTH_MAX) return '[…]';
  if (Array.isArray(value)) return value.slice(0, ITEMS_MAX).map((item) => clean(item, depth + 1));
  return cleanFields(value, depth);
}

function cleanError(error: Error): Record<string, unknown> {
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
  return { type: error.name, ...code, message: logText(error.message) };
}

function cleanFields(fields: object, depth: number): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) {
    out[logText(key)] =
      REDACTED_KEY.test(key) && value !== undefined && value !== null
        ? '[redacted]'
        : clean(value, depth + 1);
  }
  return out;
}

/**
 * A pino logger to standard error: JSON lines for machines, short lines for people. No worker threads: those
 * would lose the last lines of a dying process and do not survive bundling. Lines that cannot be written are
 * dropped, and their number is logged once writing works again.
 */
export function createLogger(options: LoggerOptions): Logger {
  const stream = options.stream ?? process.stderr;
  const prettyLines = options.pretty ?? stream.isTTY === true;
  const sink = new LogSink(stream, (lines) =>
    logger.warn({ lines }, 'log lines could not be written and are lost'),
  );
  const destination: DestinationStream = prettyLines
    ? { write: (line) => sink.write(prettyLine(line, options.color ?? false)) }
    : sink;
  const logger: Logger = pino(
    {
      level: options.level,
      base: options.base === undefined ? null : cleanFields(options.base, 0),
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'msg',
      // pino's own serialiser would print the stack, which may quote arguments.
      serializers: { err: (error: unknown) => clean(error, 0) },
      formatters: {
        level: (label) => ({ level: label }),
        bindings: (bindings) => cleanFields(bindings, 0),
        log: (fields) => cleanFields(fields, 0),
      },
      hooks: {
        logMethod(args, method) {
          const safe: unknown[] = args.map((arg) => (typeof arg === 'string' ? logText(arg) : arg));
          const error = errorIn(safe[0]);
          // Without a message, pino uses the error's own, unmasked.
          if (error !== undefined && safe.length === 1) safe.push(logText(error.message));
          method.apply(this, safe as typeof args);
        },
      },
    },
    destination,
  );
  // pino does not apply the bindings formatter to children.
  const { child } = logger;
  logger.child = function cleanChild(this: Logger, bindings: Record<string, unknown>, childOptions?: object) {
    return child.call(this, cleanFields(bindings, 0), childOptions as never);
  } as typeof logger.child;
  return logger;
}

function errorIn(first: unknown): Error | undefined {
  if (first instanceof Error) return first;
  const inner = typeof first === 'object' && first !== null && 'err' in first ? first.err : undefined;
  return inner instanceof Error ? inner : undefined;
}

const LEVEL_FORMAT = {
  trace: 'dim',
  debug: 'dim',
  info: 'green',
  warn: 'yellow',
  error: 'red',
  fatal: 'red',
} as const;

function prettyLine(line: string, color: boolean): string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const { level, time, msg, ...rest } = fields;
  const label = String(level ?? 'info');
  const at = typeof time === 'string' ? new Date(time).toTimeString().slice(0, 8) : '';
  const paint = (format: Parameters<typeof styleText>[0], text: string) =>
    color ? styleText(format, text, { validateStream: false }) : text;
  const level5 = paint(LEVEL_FORMAT[label as keyof typeof LEVEL_FORMAT] ?? 'green', label.padEnd(5));
  const tail = Object.entries(rest)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([key, value]) => `${key}=${fieldText(value)}`)
    .join(' ');
  const head = `${paint('dim', at)} ${level5} ${String(msg ?? '')}`;
  return tail === '' ? `${head}\n` : `${head}  ${paint('dim', tail)}\n`;
}

function fieldText(value: unknown): string {
  if (typeof value === 'string') return /[\s"=]/.test(value) ? JSON.stringify(value) : value;
  if (
    typeof value === 'object' &&
    value !== null &&
    'message' in value &&
    typeof value.message === 'string'
  ) {
    return JSON.stringify(value.message);
  }
  return JSON.stringify(value);
}

/** Decides whether a recurring event should be logged again. */
export interface RateLimiter {
  /** How often `key` was suppressed since it was last let through, or undefined: do not log it. */
  pass(key: string): number | undefined;
}

const KEYS_MAX = 1000;

/** Once per `everyMs` for each key, so that a Redis that fails for an hour does not fill a disk. */
export function rateLimiter(everyMs: number, now: () => number = Date.now): RateLimiter {
  const seen = new Map<string, { at: number; held: number }>();
  return {
    pass(key) {
      const last = seen.get(key);
      const time = now();
      if (last !== undefined && time - last.at < everyMs) {
        last.held += 1;
        return undefined;
      }
      // Keys may contain ids; clearing all of them only repeats a line.
      if (seen.size >= KEYS_MAX) seen.clear();
      seen.set(key, { at: time, held: 0 });
      return last?.held ?? 0;
    },
  };
}
