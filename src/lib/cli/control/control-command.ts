import { type Command, Flags } from '@oclif/core';
import { quoteWord } from '../../core/quote-word.js';
import type { Operation, OperationContext } from '../../operations/operation.js';
import { preview } from '../../operations/run.js';
import { durationFlag } from '../flags.js';
import { invocation } from '../invocation.js';
import { OperationProgress } from '../operation-progress.js';
import { OperatorCommand, operatorFlags } from '../operator-command.js';
import type { OperationView, Shown } from '../views/operations/view.js';
import { consent } from './consent.js';

/** Flags of every command that changes something. */
export const controlFlags = {
  'dry-run': Flags.boolean({ description: 'say what would happen, and do nothing' }),
  ...operatorFlags,
};

/** Flags of those that cannot be undone. */
export const consentFlags = {
  yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  confirm: Flags.string({ helpValue: '<name>', description: 'do not ask, if this names what is meant' }),
};

const ANSWER_MS = 5000;

export const answerFlag = durationFlag({
  char: 't',
  description: 'how long to wait for each worker to answer',
  default: ANSWER_MS,
  // Otherwise the help says 5000.
  defaultHelp: async () => '5s',
});

interface ControlFlags {
  'dry-run'?: boolean;
  yes?: boolean;
  confirm?: string | undefined;
}

/** Shared by the control commands: dry runs, consent, and output of operations. */
export abstract class ControlCommand<T extends typeof Command> extends OperatorCommand<T> {
  protected async carryOut<Plan, Outcome, Preview>(
    operation: Operation<Plan, Outcome, Preview>,
    view: OperationView<Plan, Outcome, Preview>,
  ): Promise<Record<string, unknown>> {
    // Undefined if not typed, and false in the JSON.
    const dryRun = (this.flags as unknown as ControlFlags)['dry-run'] === true;
    const patience = { patienceMs: (this.flags as { timeout?: number }).timeout };
    const steer = dryRun ? this.foresee : this.steer;
    const shown = await this.withContext((context) => steer.call(this, operation, view, context), patience);
    await this.print(shown.lines);
    if (dryRun) this.note('dry run: nothing was done');
    if (shown.exitCode !== undefined) this.endWith(shown.exitCode);
    return { dryRun, ...shown.json };
  }

  private async foresee<Plan, Outcome, Preview>(
    operation: Operation<Plan, Outcome, Preview>,
    view: OperationView<Plan, Outcome, Preview>,
    context: OperationContext,
  ): Promise<Shown> {
    const progress = new OperationProgress(this.progress, operation.action);
    const onPlan = (plan: Plan) => this.warnAll(view.warnings?.(plan));
    try {
      const seen = await preview(operation, context, { onPlan, report: progress.report });
      return view.preview(seen, this.layout);
    } finally {
      await progress.stop();
    }
  }

  private async steer<Plan, Outcome, Preview>(
    operation: Operation<Plan, Outcome, Preview>,
    view: OperationView<Plan, Outcome, Preview>,
    context: OperationContext,
  ): Promise<Shown> {
    const outcome = await this.perform(operation, context, view.label ?? operation.action, {
      onPlan: (plan) => this.warnAll(view.warnings?.(plan)),
      consent: (plan) => this.ask(view.danger?.(plan) ?? '', operation.target, context.signal),
    });
    return view.done(outcome, this.layout);
  }

  private warnAll(texts: readonly string[] = []): void {
    for (const text of texts) this.warn(text);
  }

  private ask(danger: string, target: string, signal: AbortSignal): Promise<void> {
    const { yes = false, confirm } = this.flags as unknown as ControlFlags;
    const person = process.stdin.isTTY === true && process.stderr.isTTY === true && !this.jsonEnabled();
    const terminal = person ? { input: process.stdin, output: process.stderr } : undefined;
    const words = [...(this.id ?? '').split(':'), ...withoutConfirm(this.argv)].map(quoteWord).join(' ');
    const command = `${invocation().infer} ${words}`;
    return consent({ danger, target, yes, confirm, terminal, command, signal });
  }
}

/** The words as typed, except a `--confirm` with a wrong name. */
function withoutConfirm(argv: readonly string[]): string[] {
  return argv.filter(
    (word, at) => word !== '--confirm' && argv[at - 1] !== '--confirm' && !word.startsWith('--confirm='),
  );
}
