import { stripVTControlCharacters } from 'node:util';
import { closestWord } from '../../config/suggest.js';
import { withoutCredentials } from '../../core/credentials.js';
import { type ErrorCode, errorFacts } from '../../core/error-table.js';
import { InferError, messageOf } from '../../core/errors.js';
import { ExitCode } from '../../core/exit-codes.js';
import { printable } from '../../core/job.js';
import { damagedKeyFailure } from '../../redis/damaged-key.js';
import { Interrupted } from '../signals.js';
import { sentence } from './sentence.js';
import { type Paint, painter, plain, widthOf } from './text.js';

/** A failure in the form shown to users and programs. */
export interface ShownError {
  code: string;
  message: string;
  hint?: string;
  exitCode: number;
  /** Ends the process without a message: a signal, `this.exit(n)`. */
  silent?: true;
  /** Only with INFER_DEBUG=1. */
  stack?: string;
}

export interface ErrorContext {
  /** The typed command, for hints: `infer submit`. */
  command: string;
  /** Words that may follow as subcommands: `queues` of `infer inspect`. */
  subcommands?: readonly string[];
  debug: boolean;
}

interface OclifError extends Error {
  oclif?: { exit?: number };
  code?: string;
  args?: unknown;
  flags?: unknown;
  parse?: { input?: { flags?: Record<string, { char?: string; hidden?: boolean }> } };
}

/** oclif adds this text to any error of a flag's `parse`. */
const FLAG_WRAPPER = /^Parsing --(\S+) \n\t([\s\S]*?)\nSee more help with --help$/;
const MORE_HELP = /\n?See more help with --help\s*$/;
/** oclif shows the parsed value of one of the flags, which the user did not type. */
const EXCLUSIVE = /^--([\w-]+)(?:=.*)? cannot also be provided when using (?:the )?--([\w-]+)/s;
const LIST_HEAD = /^The following errors? occurred:\s*/;
const MESSAGE_MAX = 600;

/** What to show of anything thrown, and the exit code for it. */
export function describeError(error: unknown, context: ErrorContext): ShownError {
  const shown = classify(error, context);
  const text = (value: string) => withoutCredentials(value).slice(0, MESSAGE_MAX);
  return {
    ...shown,
    message: text(shown.message),
    ...(shown.hint === undefined ? {} : { hint: text(shown.hint) }),
    ...(context.debug && error instanceof Error ? { stack: withoutCredentials(stackOf(error)) } : {}),
  };
}

function classify(error: unknown, context: ErrorContext): ShownError {
  if (error instanceof Interrupted) {
    return { code: error.code, message: error.message, exitCode: error.exitCode, silent: true };
  }
  if (error instanceof InferError) {
    const wrapped = FLAG_WRAPPER.exec(error.message);
    return {
      code: error.code,
      message: wrapped === null ? error.message : `--${wrapped[1]}: ${wrapped[2]}`,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      exitCode: error.exitCode,
    };
  }
  const oclif = error as OclifError;
  if (error instanceof Error && oclif.oclif?.exit !== undefined) {
    if (oclif.code === 'EEXIT') {
      return { code: 'EXIT', message: oclif.message, exitCode: oclif.oclif.exit, silent: true };
    }
    return usageError(oclif, oclif.oclif.exit, context);
  }
  // For errors of Redis that no client has worded, such as at a worker's start.
  const damaged = damagedKeyFailure(error);
  if (damaged !== undefined) return classify(InferError.of(damaged), context);
  return bug(error);
}

function usageError(error: OclifError, exitCode: number, context: ErrorContext): ShownError {
  const { command, subcommands = [] } = context;
  const help = `${command} --help`;
  const usage = (message: string, hint = help): ShownError => ({ code: 'USAGE', message, hint, exitCode });
  if (error.parse !== undefined && Array.isArray(error.flags)) {
    const given = String(error.flags[0]);
    const near = nearestFlag(given, error.parse.input?.flags ?? {});
    const message = `there is no flag ${error.flags.map(String).join(', ')}`;
    return usage(message, near === undefined ? help : `did you mean ${near}? See ${help}`);
  }
  if (error.parse !== undefined && Array.isArray(error.args)) {
    const names = error.args.map((arg: unknown) =>
      typeof arg === 'object' && arg !== null && 'name' in arg ? String(arg.name).toUpperCase() : String(arg),
    );
    const missing = /^Missing/.test(error.message);
    const first = missing ? undefined : names[0]?.split(/[\s:]/, 1)[0];
    const near = first === undefined ? undefined : closestWord(first, subcommands);
    if (near !== undefined && near !== first) {
      return usage(`there is no command '${command} ${first}'`, `did you mean '${command} ${near}'?`);
    }
    const what = missing ? 'missing argument' : 'unexpected argument';
    return usage(`${what}${names.length === 1 ? '' : 's'}: ${names.join(', ')}`);
  }
  const wrapped = FLAG_WRAPPER.exec(error.message);
  if (wrapped !== null) return usage(`--${wrapped[1]}: ${wrapped[2]}`);
  const message = stripVTControlCharacters(error.message)
    .replace(MORE_HELP, '')
    .replace(LIST_HEAD, '')
    .replace(/^Flag /, '')
    .trim();
  const both = EXCLUSIVE.exec(message);
  if (both !== null) {
    return usage(
      `--${both[1]} and --${both[2]} cannot be given together`,
      `leave one of them out; see ${help}`,
    );
  }
  if (exitCode === ExitCode.Usage) return usage(message);
  return { code: error.code ?? 'ERROR', message, exitCode };
}

function nearestFlag(
  given: string,
  flags: Record<string, { char?: string; hidden?: boolean }>,
): string | undefined {
  const name = given.replace(/^-+/, '').replace(/=.*$/s, '');
  const known = Object.keys(flags).filter((flag) => flags[flag]?.hidden !== true);
  const near = closestWord(name, known);
  return near === undefined ? undefined : `--${near}`;
}

const BUG = 'INTERNAL' satisfies ErrorCode;

function bug(error: unknown): ShownError {
  const name = error instanceof Error ? `${error.name}: ` : '';
  return {
    code: BUG,
    message: `unexpected failure, this is a bug in infer: ${name}${messageOf(error)}`,
    hint: 'set INFER_DEBUG=1 to see where, and report it with the output of infer doctor',
    exitCode: errorFacts(BUG).exitCode,
  };
}

function stackOf(error: Error): string {
  const own = error.stack ?? String(error);
  const cause = error.cause instanceof Error ? `\nCaused by: ${stackOf(error.cause)}` : '';
  return own + cause;
}

/** `Error: …` and `Try: …`, further lines indented under the first. @param width columns of a terminal */
export function errorLines(
  shown: ShownError,
  paint: Paint = plain,
  width: number = Number.POSITIVE_INFINITY,
): string[] {
  const stack = shown.stack === undefined ? [] : shown.stack.split('\n').map(printable);
  if (shown.silent === true) return stack;
  return [
    ...sentence(`${paint('red', 'Error:')} `, shown.message, width),
    ...(shown.hint === undefined ? [] : sentence(`${paint('cyan', 'Try:')} `, shown.hint, width)),
    ...(stack.length === 0 ? [] : ['', ...stack]),
  ];
}

/** Prints it on standard error, wrapped to its width. */
export function printError(shown: ShownError, color: boolean): void {
  const stderr = process.stderr;
  for (const line of errorLines(shown, painter(stderr, color), widthOf(stderr))) stderr.write(`${line}\n`);
}

export interface ErrorJson {
  ok: false;
  error: { code: string; message: string; hint: string | null; exitCode: number; stack?: string };
}

export function errorJson(shown: ShownError): ErrorJson {
  const { code, message, hint, exitCode, stack } = shown;
  return {
    ok: false,
    error: { code, message, hint: hint ?? null, exitCode, ...(stack === undefined ? {} : { stack }) },
  };
}
