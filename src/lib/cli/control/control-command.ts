import { hostname } from 'node:os';
import { type Command, Flags } from '@oclif/core';
import { InferError, messageOf } from '../../core/errors.js';
import type { ExitCode } from '../../core/exit-codes.js';
import { quoteWord } from '../../core/quote-word.js';
import { systemUser } from '../../core/system-user.js';
import { writeAudit } from '../../queue/audit.js';
import type { RedisClient } from '../../redis/types.js';
import { withRedis } from '../../redis/with-redis.js';
import { worded } from '../../redis/worded.js';
import { BaseCommand } from '../base-command.js';
import { durationFlag, settingFlags } from '../flags.js';
import { invocation } from '../invocation.js';
import { interruptible } from '../signals.js';
import { consent } from './consent.js';

/** Flags of every command that changes something by order. */
export const controlFlags = {
  'dry-run': Flags.boolean({ description: 'say what would happen, and do nothing' }),
  ...settingFlags('operator'),
};

/** And of those that cannot be undone. */
export const consentFlags = {
  yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  confirm: Flags.string({ helpValue: '<name>', description: 'do not ask, if this names what is meant' }),
};

const ANSWER_MS = 5000;

export const answerFlag = durationFlag({
  char: 't',
  description: 'how long to wait for each worker to answer',
  default: ANSWER_MS,
  // Else the help says 5000.
  defaultHelp: async () => '5s',
});

/** What a deed works with. */
export interface Hands {
  client: RedisClient;
  prefix: string;
  signal: AbortSignal;
}

/** What is shown of a deed, done or planned. */
export interface Shown {
  /** For standard output. */
  lines: readonly string[];
  json: Record<string, unknown>;
  exitCode?: ExitCode | undefined;
}

/** A deed that happened. */
export interface Done extends Shown {
  /** For the audit log, in words. */
  result: string;
  ok: boolean;
}

export interface Plan {
  /** What a dry run shows. */
  preview(): Promise<Shown> | Shown;
  /** Set when it needs consent: `cancels 1,200 jobs of batch`. */
  danger?: string | undefined;
  act(): Promise<Done>;
}

export interface Deed {
  action: string;
  target: string;
  /** Its further words, for the audit log. */
  detail?: string;
  /** Looks, and changes nothing. @throws what is in the way, such as an unknown queue. */
  plan(hands: Hands): Promise<Plan>;
}

interface ControlFlags {
  'dry-run': boolean;
  yes?: boolean;
  confirm?: string | undefined;
}

/** What steering commands share: dry runs, consent, and an entry in the audit log whatever comes of it. */
export abstract class ControlCommand<T extends typeof Command> extends BaseCommand<T> {
  protected carryOut(deed: Deed): Promise<Record<string, unknown>> {
    return interruptible((signal) =>
      withRedis(this.loaded, (client, prefix) => this.withHands(deed, { client, prefix, signal }), {
        patienceMs: (this.flags as { timeout?: number }).timeout,
      }),
    );
  }

  private async withHands(deed: Deed, hands: Hands): Promise<Record<string, unknown>> {
    const flags = this.flags as unknown as ControlFlags;
    const { client } = hands;
    if (flags['dry-run']) {
      const plan = await worded(client, deed.plan(hands));
      return this.show(await worded(client, Promise.resolve(plan.preview())), true);
    }
    try {
      const plan = await worded(client, deed.plan(hands));
      if (plan.danger !== undefined) await this.ask(plan.danger, deed.target, hands.signal);
      const done = await worded(client, plan.act());
      await this.record(deed, hands, done);
      return await this.show(done, false);
    } catch (error) {
      if (!isRefusal(error)) await this.record(deed, hands, { ok: false, result: messageOf(error) });
      throw error;
    }
  }

  /** Who is named in the audit log. */
  protected get operator(): string {
    return this.settings.operator ?? systemUser();
  }

  private ask(danger: string, target: string, signal: AbortSignal): Promise<void> {
    const { yes = false, confirm } = this.flags as unknown as ControlFlags;
    const person = process.stdin.isTTY === true && process.stderr.isTTY === true && !this.jsonEnabled();
    const terminal = person ? { input: process.stdin, output: process.stderr } : undefined;
    const words = [...(this.id ?? '').split(':'), ...withoutConfirm(this.argv)].map(quoteWord).join(' ');
    const command = `${invocation().infer} ${words}`;
    return consent({ danger, target, yes, confirm, terminal, command, signal });
  }

  /** A deed counts although its entry cannot be written; that is said. */
  private async record(deed: Deed, { client, prefix }: Hands, { ok, result }: Pick<Done, 'ok' | 'result'>) {
    const { action, target, detail = '' } = deed;
    const entry = { who: this.operator, host: hostname(), action, target, detail, result, ok };
    try {
      await worded(client, writeAudit(client, prefix, entry));
    } catch (error) {
      this.warn(`the audit log has no entry of this: ${messageOf(error)}`);
    }
  }

  private async show({ lines, json, exitCode }: Shown, dryRun: boolean): Promise<Record<string, unknown>> {
    await this.print(lines);
    if (dryRun) this.note('dry run: nothing was done');
    if (exitCode !== undefined) this.endWith(exitCode);
    return { dryRun, ...json };
  }
}

/** Nothing was begun: no consent, or a second thought. */
function isRefusal(error: unknown): boolean {
  return error instanceof InferError && ['CONFIRM', 'CONFIRM_NAME', 'NOT_CONFIRMED'].includes(error.code);
}

/** What was typed, but for a `--confirm` that named something else. */
function withoutConfirm(argv: readonly string[]): string[] {
  return argv.filter(
    (word, at) => word !== '--confirm' && argv[at - 1] !== '--confirm' && !word.startsWith('--confirm='),
  );
}
