import { Args, Flags } from '@oclif/core';
import { operatorFlags } from '../../lib/cli/operator-command.js';
import { changeFlags, tuneRoleFlag } from '../../lib/cli/tune/flags.js';
import { TuneCommand } from '../../lib/cli/tune/tune-command.js';
import { diffView, doneView, persistedLines } from '../../lib/cli/views/tune-change-view.js';
import { InferError } from '../../lib/core/errors.js';
import { ExitCode } from '../../lib/core/exit-codes.js';
import type { ChangeJson } from '../../lib/operations/change-settings.js';

/** Restores what `apply` changed. */
export default class RedisTuneRollback extends TuneCommand<typeof RedisTuneRollback> {
  static override summary = 'undo what infer redis-tune apply changed';
  static override description =
    `Undoes the latest change of this server recorded in the state directory, or the one in the given file. What apply persisted is persisted again with its old values.
Refuses when someone has changed a setting since (exit 1), unless --force. Exits 66 when no change is recorded.`;
  static override examples = [
    '<%= config.bin %> redis-tune rollback --dry-run',
    '<%= config.bin %> redis-tune rollback --yes',
  ];
  static override args = {
    file: Args.string({ description: 'snapshot [default: the newest of this server]' }),
  };
  static override flags = {
    role: tuneRoleFlag,
    force: Flags.boolean({ description: 'also what someone else has changed since' }),
    ...changeFlags,
    ...operatorFlags,
  };

  async run(): Promise<ChangeJson> {
    const { withServer } = await import('../../lib/tune/open-server.js');
    const { planBack, rollbackChange, untouched } = await import('../../lib/operations/change-settings.js');
    const { SnapshotStore } = await import('../../lib/tune/snapshot.js');
    const { role, force } = this.flags;
    const store = new SnapshotStore(this.settings.stateDir);
    const given = this.args.file === undefined ? undefined : store.open(this.args.file);
    return withServer(this.loaded, role, undefined, async (open) => {
      const snapshot = given ?? store.latest(open.target.label);
      if (snapshot === undefined) throw nothingNoted(open.target.label);
      const plans = planBack(open, snapshot, force);
      const unchanged = untouched(plans);
      const when = new Date(snapshot.at).toISOString().replace('T', ' ').slice(0, 16);
      this.say(`settings from before ${when} UTC (${snapshot.file})`);
      if (this.flags['dry-run']) {
        await this.print(diffView(plans, this.layout));
        return unchanged;
      }
      for (const line of diffView(plans, this.layout)) this.say(line);
      const nothing = plans.every(({ changes }) => changes.length === 0);
      if (nothing) this.say('nothing to undo: every setting already has its old value');
      const operation = rollbackChange(open, plans, this.loaded, snapshot);
      const done = await this.change(open, operation, role, 'Restore these?');
      if (done === undefined) {
        this.say('nothing was changed');
        return unchanged;
      }
      await this.print(doneView(done, this.layout));
      for (const { lines } of persistedLines(done)) this.say(lines.join('\n'));
      if (!done.verified) this.endWith(ExitCode.Negative);
      else if (done.persisted?.some(({ ok }) => !ok)) this.endWith(ExitCode.Partial);
      return done;
    });
  }

  /** For people: under --json, the document contains it. */
  private say(text: string): void {
    if (!this.jsonEnabled()) this.note(text);
  }
}

function nothingNoted(label: string): InferError {
  return new InferError('TUNE_NO_SNAPSHOT', `no change of ${label} is on record here`, {
    hint: 'changes are noted by `infer redis-tune apply`, on the machine and by the user that ran it (INFER_STATE_DIR)',
  });
}
