import { Flags } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { sinceFlag, wholeFlag } from '../../lib/cli/flags.js';
import { listJson, outputFlag, printList } from '../../lib/cli/output/list-format.js';
import { auditList } from '../../lib/cli/views/audit-list.js';
import { refuseUnheardOf } from '../../lib/deployment/audit-filter.js';
import { serverTime } from '../../lib/redis/server-clock.js';

/** Approximate maximum number of entries in the log. */
const MOST = 10_000;

/** Shows what operators did. */
export default class InspectAudit extends BaseCommand<typeof InspectAudit> {
  static override summary = 'show who did what, when, and with what outcome; newest first';
  static override description =
    'Every infer control, cancel, retry and redis-tune apply, rollback and acl --apply leaves one entry, even if it failed. About the last 10,000 are kept, and separately as many for jobs cancelled or retried by id.';
  static override examples = [
    '<%= config.bin %> inspect audit',
    '<%= config.bin %> inspect audit --since 24h --action purge,revoke',
    "<%= config.bin %> inspect audit --who alice -o ndjson | jq -r '[.at, .action, .target] | @tsv'",
  ];
  static override flags = {
    since: sinceFlag('only what was done in the last 1h, 7d, …'),
    action: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      helpValue: '<names>',
      description: 'only these actions, such as pause or purge',
    }),
    who: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      helpValue: '<names>',
      description: 'only what these people did',
    }),
    limit: wholeFlag({
      min: 1,
      max: MOST,
      char: 'n',
      default: 50,
      description: 'maximum number of actions to show',
    }),
    output: outputFlag(),
  };

  async run(): Promise<{ audit: unknown[] }> {
    const { withRedis } = await import('../../lib/redis/with-redis.js');
    const { readAudit } = await import('../../lib/queue/audit.js');
    const { since, action, who } = this.flags;
    const limit = this.flags.limit ?? 50;
    // A filter may have to read the whole log, which is bounded.
    const filtered = since !== undefined || action !== undefined || who !== undefined;
    const all = await withRedis(this.loaded, (client, prefix) =>
      readAudit(client, prefix, filtered ? 2 * MOST : limit),
    );
    const after = since === undefined ? 0 : serverTime() - since;
    const meant = all.filter(
      (entry) =>
        entry.at >= after && (action?.includes(entry.action) ?? true) && (who?.includes(entry.who) ?? true),
    );
    if (meant.length === 0 && all.length > 0) refuseUnheardOf(all, action, who);
    const shown = meant.slice(0, limit);
    await printList(this.listTarget, auditList, shown);
    return { audit: listJson(auditList, shown) };
  }
}
