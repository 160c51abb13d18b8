import type { Command } from '@oclif/core';
import type { Operation } from '../../operations/operation.js';
import { withRedis } from '../../redis/with-redis.js';
import type { OpenServer } from '../../tune/open-server.js';
import type { TuneRole } from '../../tune/rules.js';
import { confirm } from '../confirm.js';
import { OperatorCommand } from '../operator-command.js';
import { interruptible } from '../signals.js';

/** Shared by commands that change a Redis server. */
export abstract class TuneCommand<T extends typeof Command> extends OperatorCommand<T> {
  /**
   * Makes the change; undefined when the user does not agree.
   * @param role of the server: a results server keeps no audit log, so the entry goes to the broker
   */
  protected async change<Outcome>(
    { client }: OpenServer,
    operation: Operation<null, Outcome>,
    role: TuneRole,
    question: string,
  ): Promise<Outcome | undefined> {
    const { prefix } = this.settings;
    const { yes = false } = this.flags as unknown as { yes?: boolean };
    const interactive = process.stdin.isTTY === true && !this.jsonEnabled();
    let declined = false;
    const work = async (signal: AbortSignal): Promise<Outcome> =>
      this.perform(operation, { client, prefix, signal, actor: this.actor }, 'setting', {
        consent: async () => {
          declined = !(await confirm({ question, yes, interactive, signal }));
          if (declined) throw new Error('nothing was changed');
        },
        withAuditLog: role === 'results' ? (write) => withRedis(this.loaded, write) : undefined,
      });
    return interruptible(work).catch((error: unknown) => {
      if (declined && error instanceof Error && error.name !== 'Interrupted') return undefined;
      throw error;
    });
  }
}
