import { Command, Errors, Flags, type Interfaces } from '@oclif/core';
import { debugWanted } from '../config/debug.js';
import { type LoadedSettings, type LoadOptions, loadSettings } from '../config/load.js';
import type { Settings } from '../config/settings.js';
import { hasTrait } from '../core/error-table.js';
import { InferError } from '../core/errors.js';
import type { ExitCode } from '../core/exit-codes.js';
import { printable, terminalText } from '../core/printable.js';
import { completeOptionalValues, misreadTime, settingFlag, settingsFromFlags } from './flags.js';
import { invocation } from './invocation.js';
import { withModels } from './models-argument.js';
import {
  describeError,
  type ErrorContext,
  type ErrorJson,
  errorJson,
  printError,
  type ShownError,
} from './output/error.js';
import { jsonLine, jsonText, NdjsonWriter, writeText } from './output/json.js';
import { asksForJson, type ListFormat, type ListTarget, listFormat } from './output/list-format.js';
import type { ProgressTarget } from './output/progress.js';
import { sentence } from './output/sentence.js';
import { type Layout, layoutOf, nextCommand, type Paint, widthOf } from './output/text.js';

type FlagsOf<T extends typeof Command> = Interfaces.InferredFlags<
  (typeof BaseCommand)['baseFlags'] & T['flags']
>;
type ArgsOf<T extends typeof Command> = Interfaces.InferredArgs<T['args']>;

/**
 * What every command shares: settings, the contract of the streams (stdout is data, stderr the rest), errors
 * with their exit codes in text and JSON. A command parses nothing itself: it reads `this.flags`, `this.args`
 * and `this.settings`, prints through a view, and returns its JSON.
 */
export abstract class BaseCommand<T extends typeof Command> extends Command {
  static override enableJsonFlag = true;

  static override baseFlags = {
    json: Flags.boolean({ description: 'print one JSON document instead', helpGroup: 'GLOBAL' }),
    redis: settingFlag('redisUrl', { helpGroup: 'GLOBAL' }) as Interfaces.OptionFlag<string | undefined>,
    prefix: settingFlag('prefix', { helpGroup: 'GLOBAL' }) as Interfaces.OptionFlag<string | undefined>,
    quiet: Flags.boolean({ char: 'q', description: 'print values only', helpGroup: 'GLOBAL' }),
    verbose: Flags.boolean({ char: 'v', description: 'print more detail', helpGroup: 'GLOBAL' }),
    'no-color': settingFlag('noColor', { helpGroup: 'GLOBAL' }) as Interfaces.BooleanFlag<boolean>,
  };

  protected flags!: FlagsOf<T>;
  protected args!: ArgsOf<T>;
  /**
   * All arguments, for a command that takes any number (`strict = false`), and everything after `--`, which
   * it may pass on.
   */
  protected words!: string[];
  protected passedOn: readonly string[] = [];
  /** The command line as typed, without what follows `--`: oclif puts the parsed words in `argv`. */
  protected typed: readonly string[] = [];
  /** Values and the source of each; `this.settings` is a shortcut to the values. */
  protected loaded!: LoadedSettings;

  protected get settings(): Settings {
    return this.loaded.values;
  }

  override async init(): Promise<void> {
    await super.init();
    const { ctor } = this;
    // A command without flags or arguments leaves these undefined, whatever oclif's types say.
    const definitions = (ctor.flags ?? {}) as Interfaces.FlagInput;
    const cut = ctor.strict ? -1 : this.argv.indexOf('--');
    const [typed, passedOn] = cut < 0 ? [this.argv, []] : [this.argv.slice(0, cut), this.argv.slice(cut + 1)];
    this.typed = typed;
    const parsing = this.parse(
      {
        flags: definitions,
        baseFlags: ctor.baseFlags ?? BaseCommand.baseFlags,
        enableJsonFlag: ctor.enableJsonFlag,
        args: argumentsOnly(ctor.args ?? {}),
        strict: ctor.strict,
      },
      completeOptionalValues(typed, definitions),
    );
    const { args, argv, flags } = await parsing.catch((error: Error & { args?: unknown }) => {
      // Too many arguments: one of them is where a duration may be.
      const meant = Array.isArray(error.args) ? misreadTime(typed, definitions) : undefined;
      throw meant ?? error;
    });
    this.flags = withModels(flags as Record<string, unknown>, args) as FlagsOf<T>;
    this.args = args as ArgsOf<T>;
    this.words = argv.map(String);
    if (!ctor.strict) refuseFlags(this.words);
    this.passedOn = passedOn;
    this.loaded = await this.freshSettings();
  }

  /** Rereads the settings from the files. */
  protected freshSettings(): Promise<LoadedSettings> {
    const flags = settingsFromFlags(this.flags as Record<string, unknown>);
    return this.load({ flags, packageRoot: this.config.root });
  }

  /** `-o json` of a list means `--json`, for errors too. */
  override jsonEnabled(): boolean {
    return super.jsonEnabled() || asksForJson(this.argv, this.ctor.flags ?? {});
  }

  /** Reads the settings; overridden by commands that must run even with invalid ones. */
  protected load(options: LoadOptions): Promise<LoadedSettings> {
    return loadSettings(options);
  }

  /** Prints a message for the user at the terminal; silent under `--quiet`. */
  protected note(text: string): void {
    if (!this.quiet) this.printToStderr([text]);
  }

  /** The same, only where a person reads what was printed. */
  protected noteOnTerminal(text: string): void {
    if (this.layout.tty && !this.jsonEnabled()) this.note(text);
  }

  /** Prints lines to standard error, also under `--quiet`. */
  protected printToStderr(lines: readonly string[]): void {
    for (const line of lines) process.stderr.write(`${terminalText(line)}\n`);
  }

  /** Prints a warning to standard error, also under `--json` and `--quiet`: it may change what to do next. */
  override warn(input: Error | string): Error | string {
    const text = typeof input === 'string' ? input : input.message;
    const { paint, width } = this.errorLayout;
    this.printToStderr(sentence(`${paint('yellow', 'Warning:')} `, text, width));
    return input;
  }

  /** The hint after a success, `Next: infer result … --wait`; only on a terminal. */
  protected next(command: string): void {
    if (this.quiet || this.jsonEnabled()) return;
    // In a clone, `infer` alone would not be found.
    const typed = command.replace(/^infer(?= )/, invocation().infer);
    this.note(nextCommand(typed, this.paintError));
  }

  /**
   * Waits for a job or group. A signal ends the wait but not the work, and the id is printed even under
   * `--quiet`: without it, the work cannot be found again.
   */
  protected async whileWaiting<T>(
    wait: Promise<T>,
    id: () => string | undefined,
    signal: AbortSignal,
  ): Promise<T> {
    try {
      return await wait;
    } catch (error) {
      const what = id();
      if (signal.aborted && what !== undefined) {
        const { infer } = invocation();
        this.printToStderr([
          `${what} continues. Fetch it: ${infer} result ${what} --wait; cancel it: ${infer} cancel ${what}`,
        ]);
      }
      throw error;
    }
  }

  /** Prints lines of a view to standard output; nothing under `--json`, where `run` returns the data. */
  protected async print(lines: readonly string[] | string): Promise<void> {
    if (this.jsonEnabled()) return;
    const text = typeof lines === 'string' ? lines : lines.join('\n');
    if (text !== '' || typeof lines === 'string') await writeText(process.stdout, `${terminalText(text)}\n`);
  }

  /**
   * Prints text in a machine-readable format: byte for byte, except that a terminal gets a printable form.
   */
  protected async printExact(text: string): Promise<void> {
    if (this.jsonEnabled()) return;
    const shown = this.layout.tty ? text.split('\n').map(printable).join('\n') : text;
    await writeText(process.stdout, `${shown}\n`);
  }

  /** Sets the exit code of a command that worked but has a negative result, such as a failed job. */
  protected endWith(code: ExitCode): void {
    process.exitCode = code;
  }

  /** For commands that stream events under `--json`; `run` then returns nothing. */
  protected ndjson(): NdjsonWriter {
    return new NdjsonWriter(process.stdout);
  }

  protected get quiet(): boolean {
    return (this.flags as { quiet?: boolean } | undefined)?.quiet === true;
  }

  protected get verbose(): boolean {
    return (this.flags as { verbose?: boolean } | undefined)?.verbose === true;
  }

  /** How views are drawn on standard output. */
  protected get layout(): Layout {
    return layoutOf(process.stdout, this.color);
  }

  /** Where and how a command with the `-o` flag prints its list. */
  protected get listTarget(): ListTarget {
    const { output } = this.flags as { output?: ListFormat };
    const format = listFormat(output, this.jsonEnabled(), this.quiet);
    return { format, layout: this.layout, stream: process.stdout };
  }

  /** The same for standard error. */
  protected get errorLayout(): Layout {
    return layoutOf(process.stderr, this.color);
  }

  protected get paintError(): Paint {
    return this.errorLayout.paint;
  }

  private get color(): boolean {
    // Before settings are loaded (a usage error), only the words are available.
    return this.loaded === undefined ? !this.argv.includes('--no-color') : !this.settings.noColor;
  }

  /** Where spinners and progress bars go. */
  protected get progress(): ProgressTarget {
    const { ci, dumb } = this.loaded.terminal;
    const stream = process.stderr;
    return {
      stream,
      paint: this.paintError,
      color: this.color,
      shown: !this.quiet && !this.jsonEnabled(),
      animated: stream.isTTY === true && Number.isFinite(widthOf(stream)) && !ci && !dumb,
    };
  }

  /**
   * Whether `--json` prints a stream of documents, each on a line. An error is then one of them. The flags are not
   * known when they cannot be parsed.
   */
  protected get streamsJson(): boolean {
    return false;
  }

  /** Whether a flag was given; by the words as typed where they cannot be parsed. */
  protected isGiven(name: string): boolean {
    const flags = this.flags as Record<string, unknown> | undefined;
    if (flags !== undefined) return flags[name] !== undefined && flags[name] !== false;
    const { char } = this.ctor.flags?.[name] ?? {};
    const words = [`--${name}`, ...(char === undefined ? [] : [`-${char}`])];
    return this.argv.some((word) => words.includes(word) || word.startsWith(`--${name}=`));
  }

  override logJson(json: unknown): void {
    process.stdout.write(`${this.jsonDocument(json)}\n`);
  }

  private jsonDocument(value: unknown): string {
    return this.streamsJson ? jsonLine(value) : jsonText(value);
  }

  override toErrorJson(error: unknown): ErrorJson {
    return errorJson(this.shown(error));
  }

  private shown(error: unknown): ShownError {
    const shown = describeError(error, this.errorContext());
    if (!hasTrait(shown.code, 'names-nothing')) return shown;
    // `--wait abc` or `--wait 5x`: the unrecognised word may have been meant as the time.
    const meant = misreadTime(this.typed, this.ctor.flags ?? {}, /^(?:[a-z]+|\d+[a-z]*)$/i);
    if (meant?.hint === undefined) return shown;
    // One of several words: another is what was to be read.
    const isOther = this.words?.some(
      (word) => shown.message.includes(word) && meant.message.includes(`'${word}'`),
    );
    if (isOther === true && this.words.length > 1) return describeError(meant, this.errorContext());
    return { ...shown, message: `${shown.message}; ${meant.message}`, hint: meant.hint };
  }

  private errorContext(): ErrorContext {
    const id = this.id ?? '';
    const command = `${this.config.bin} ${id.replaceAll(':', ' ')}`.trim();
    const below = this.config.commands.filter((one) => one.id.startsWith(`${id}:`));
    const subcommands = below.map((one) => one.id.slice(id.length + 1));
    return { command, subcommands, debug: debugWanted() };
  }

  /**
   * Reports the failure here, in our own form, and passes only the exit code to oclif, whose own rendering
   * prints the help or, in JSON mode, its internals, and always exits with 1.
   */
  protected override async catch(error: Error): Promise<void> {
    const shown = this.shown(error);
    if (shown.silent !== true && this.jsonEnabled()) {
      await writeText(process.stdout, `${this.jsonDocument(errorJson(shown))}\n`);
    } else {
      printError(shown, this.color);
    }
    throw new Errors.ExitError(shown.exitCode);
  }
}

/**
 * oclif takes piped input as the first missing argument if it arrives within 10 ms. No command wants that:
 * input is read only where `-` is given.
 */
function argumentsOnly<A extends Interfaces.ArgInput>(args: A): A {
  for (const arg of Object.values(args)) arg.ignoreStdin = true;
  return args;
}

/** Without oclif's strictness, an unknown flag is a word like any other. */
function refuseFlags(words: readonly string[]): void {
  const flag = words.find((word) => word.startsWith('-') && word !== '-');
  if (flag === undefined) return;
  throw new InferError('USAGE', `there is no flag ${printable(flag)}`, {
    hint: 'see --help; what is meant for a worker follows after --',
  });
}
