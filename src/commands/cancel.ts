import { Args } from '@oclif/core';
import { waitFlag } from '../lib/cli/flags.js';
import { OperatorCommand, operatorFlags } from '../lib/cli/operator-command.js';
import { interruptible } from '../lib/cli/signals.js';
import type { InferClient } from '../lib/client/client.js';
import { plural } from '../lib/core/counts.js';
import { ExitCode } from '../lib/core/exit-codes.js';
import { printable } from '../lib/core/job.js';
import { cancelWork } from '../lib/operations/cancel-work.js';
import { isCancelled, newerFix } from '../lib/queue/audit-summary.js';

interface CancelJson {
  id: string;
  kind: 'job' | 'group';
  /** `active` when its worker was asked and has not stopped it yet. */
  state: string;
  /** Why it was not cancelled. */
  code?: 'JOB_ENDED';
  /** Jobs of a group that a newer infer submitted; they are left alone. */
  newer: number;
}

/** Cancels jobs and groups. */
export default class Cancel extends OperatorCommand<typeof Cancel> {
  static override summary = 'cancel a job or a whole group';
  static override description =
    `A waiting job is cancelled at once. A running job is cancelled when its runner has stopped working on it, within about two seconds; the runner process is killed if needed, and other jobs of the same run start again.
Exits 1 if it had already ended in another state, and 75 if it still runs. Exits 3 if jobs of a group were left alone because a newer infer submitted them, and 69 if only those are left.`;
  static override examples = ['<%= config.bin %> cancel ID', '<%= config.bin %> cancel GROUP --wait'];
  static override args = { id: Args.string({ required: true, description: 'id of a job or a group' }) };
  static override flags = {
    wait: waitFlag({ description: 'wait until a running job has stopped, 30s unless a time is given' }),
    ...operatorFlags,
  };

  async run(): Promise<CancelJson> {
    const { withClient } = await import('../lib/cli/open-client.js');
    return interruptible((signal) =>
      withClient(this.loaded, false, (client) => this.cancelAndWait(client, signal), {
        patienceMs: this.flags.wait,
      }),
    );
  }

  private async cancelAndWait(client: InferClient, signal: AbortSignal): Promise<CancelJson> {
    const { id } = this.args;
    const { wait } = this.flags;
    const context = { client: client.redis, prefix: this.settings.prefix, signal, actor: this.actor };
    const outcome = await this.perform(cancelWork(id), context, 'cancelling');
    const { kind, newer } = outcome;
    let { state } = outcome;
    if (newer !== undefined) {
      // Only a newer worker can run them, so there is nothing to wait for.
      await this.print(`${printable(id)} ${plural(outcome.jobs, 'job')} cancelled or being stopped`);
      this.note(newerFix(newer));
      this.endWith(ExitCode.Partial);
      return { id, kind, state, newer: newer.jobs };
    }
    if (wait !== undefined && (state === 'active' || state === 'waiting')) {
      const limits = { timeoutMs: wait, signal };
      state = (kind === 'job' ? await client.wait(id, limits) : await client.waitGroup(id, limits)).state;
    }
    const done = isCancelled({ kind, state });
    await this.print(`${printable(id)} ${done ? 'cancelled' : state}`);
    if (state === 'active' || state === 'waiting') {
      this.note('its worker has been asked to stop it');
      this.next(`infer result ${id} --wait`);
      this.endWith(ExitCode.TryAgain);
    } else if (!done) {
      this.note(`it has already ended: ${state}`);
      this.endWith(ExitCode.Negative);
      return { id, kind, state, code: 'JOB_ENDED', newer: 0 };
    }
    return { id, kind, state, newer: 0 };
  }
}
