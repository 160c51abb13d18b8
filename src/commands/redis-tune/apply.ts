import { Flags } from '@oclif/core';
import { operatorFlags } from '../../lib/cli/operator-command.js';
import { changeFlags, serviceFlag, tuneRoleFlag } from '../../lib/cli/tune/flags.js';
import { TuneCommand } from '../../lib/cli/tune/tune-command.js';
import { diffView, doneView, persistedLines } from '../../lib/cli/views/tune-change-view.js';
import { ExitCode } from '../../lib/core/exit-codes.js';
import type { ChangeJson } from '../../lib/operations/change-settings.js';
import type { OpenServer } from '../../lib/tune/open-server.js';
import { isOwnServer, REWRITE_WARNING } from '../../lib/tune/persist.js';
import { type NodePlan, parseMaxmemory } from '../../lib/tune/plan.js';
import { AUDITED, POLICIES } from '../../lib/tune/rules.js';

/** Fixes the problems found by the audit. */
export default class RedisTuneApply extends TuneCommand<typeof RedisTuneApply> {
  static override summary =
    'fix what the audit found, after showing the changes; infer redis-tune rollback undoes them';
  static override description =
    `Sets everything the audit warns about, with your --maxmemory and --policy if given; on every master of a Cluster, or on none. The old values are saved first, the change is applied as a whole, and the new values are read back.
Where CONFIG is refused it prints what to type at the provider, or to write into redis.conf, and exits 77.
With --persist: exits 3 when it was set but will not survive a restart. Exits 1 when the server reports other values than were set.`;
  static override examples = [
    '<%= config.bin %> redis-tune apply --dry-run',
    '<%= config.bin %> redis-tune apply --maxmemory 60% --persist',
    '<%= config.bin %> redis-tune apply --only maxmemory --maxmemory 2gb --yes',
    '<%= config.bin %> redis-tune apply --role results --policy allkeys-lru',
  ];
  static override flags = {
    maxmemory: Flags.string({
      helpValue: '<size>',
      description: "2gb, 512mb as in redis.conf, or 60% of the server's machine or container",
    }),
    policy: Flags.option({
      options: POLICIES,
      description: 'eviction policy; for a broker only noeviction is safe',
    })(),
    role: tuneRoleFlag,
    advice: Flags.boolean({ description: 'also set what is only advised' }),
    only: Flags.option({
      options: AUDITED,
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      helpValue: '<names>',
      description: 'only these settings',
    })(),
    persist: Flags.boolean({ description: 'make it survive a restart: CONFIG REWRITE' }),
    force: Flags.boolean({ description: 'make changes that are refused as harmful' }),
    service: serviceFlag,
    ...changeFlags,
    ...operatorFlags,
  };

  async run(): Promise<ChangeJson> {
    const { maxmemory, policy, role, advice, only, force, service } = this.flags;
    const asked = {
      role,
      policy,
      advice,
      only,
      force,
      maxmemory: maxmemory === undefined ? undefined : parseMaxmemory(maxmemory),
    };
    const { withServer } = await import('../../lib/tune/open-server.js');
    const { planApply } = await import('../../lib/operations/change-settings.js');
    return withServer(this.loaded, role, service, (open) => this.apply(open, planApply(open, asked)));
  }

  private async apply(open: OpenServer, plans: NodePlan[]): Promise<ChangeJson> {
    const { applyChange, insteadOf, persistChange, untouched } = await import(
      '../../lib/operations/change-settings.js'
    );
    const dryRun = this.flags['dry-run'];
    for (const text of new Set(plans.flatMap((plan) => plan.warnings))) this.warn(text);
    if (plans.every((plan) => plan.changes.length === 0)) {
      const persist = this.flags.persist && !dryRun ? persistChange(open, this.loaded) : undefined;
      const earlier = persist && (await this.change(open, persist, this.flags.role, ''));
      this.say('nothing to set');
      return earlier === undefined ? untouched(plans) : this.told(earlier);
    }
    if (open.facts.nodes.some(({ refusal }) => refusal !== undefined)) {
      return this.cannot(open, untouched(plans, insteadOf(open, plans)));
    }
    if (dryRun) {
      await this.print(diffView(plans, this.layout));
      return untouched(plans);
    }
    // The result is the data; the planned changes are for the user who confirms.
    for (const line of diffView(plans, this.layout)) this.say(line);
    const own = isOwnServer(open.target, this.settings.stateDir);
    if (this.flags.persist && !own) this.warn(REWRITE_WARNING);
    const operation = applyChange(open, plans, this.loaded, { persist: this.flags.persist });
    const done = await this.change(open, operation, this.flags.role, 'Set these?');
    if (done === undefined) {
      this.say('nothing was changed');
      return untouched(plans);
    }
    await this.print(doneView(done, this.layout));
    this.told(done);
    if (plans.some((plan) => plan.changes.some(({ name, to }) => name === 'appendonly' && to === 'yes'))) {
      this.say('the append-only file is being written now; the server does not stop before it is done');
    }
    this.next('infer redis-tune');
    return done;
  }

  /** For people: under --json, the document contains it. */
  private say(text: string): void {
    if (!this.jsonEnabled()) this.note(text);
  }

  /** Reports whether the settings were persisted, and sets the exit code. */
  private told(done: ChangeJson): ChangeJson {
    for (const { ok, lines } of persistedLines(done)) {
      if (ok) this.say(lines.join('\n'));
      else for (const [at, line] of lines.entries()) at === 0 ? this.warn(line) : this.say(line);
    }
    if (!done.verified) this.endWith(ExitCode.Negative);
    else if (done.persisted?.some(({ ok }) => !ok)) this.endWith(ExitCode.Partial);
    return done;
  }

  private async cannot({ provider, facts }: OpenServer, result: ChangeJson): Promise<ChangeJson> {
    const why = facts.nodes.find(({ refusal }) => refusal !== undefined)?.refusal?.text ?? '';
    this.warn(`nothing was changed: CONFIG is refused (${why.slice(0, 80)})`);
    this.say(
      provider === undefined
        ? 'In redis-cli as its administrator, or in redis.conf:'
        : `At ${provider.name}:`,
    );
    await this.print(result.instead.length === 0 ? ['(this service does not allow it)'] : result.instead);
    for (const note of provider?.notes ?? []) this.say(note);
    this.endWith(ExitCode.NotPermitted);
    return result;
  }
}
