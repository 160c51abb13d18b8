import { Args } from '@oclif/core';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { inspectedGroupView } from '../../lib/cli/views/inspected-group.js';
import type { GroupDetail } from '../../lib/queue/read/group-detail.js';
import { serverTime } from '../../lib/redis/server-clock.js';

/** Shows the progress of a bulk submission. */
export default class InspectGroup extends BaseCommand<typeof InspectGroup> {
  static override summary = 'show a group: progress, rate, its chunks by state, and what failed';
  static override description =
    'Looks at the first 10,000 chunks of the group. The rate is that of the last minute while it runs. Exits 66 when the id is unknown or has expired.';
  static override examples = [
    '<%= config.bin %> inspect group ID',
    "<%= config.bin %> inspect group ID --json | jq '{rowsDone, rows, etaMs}'",
  ];
  static override args = {
    id: Args.string({ required: true, description: 'id of the group, as submit printed it' }),
  };

  async run(): Promise<GroupDetail> {
    const { withRedis } = await import('../../lib/redis/with-redis.js');
    const { findId } = await import('../../lib/deployment/find-id.js');
    const { readGroupDetail } = await import('../../lib/queue/read/group-detail.js');
    const { id } = this.args;
    const group = await withRedis(this.loaded, async (client, prefix) =>
      readGroupDetail(client, prefix, await findId(client, prefix, id, 'group'), id),
    );
    if (group === undefined) {
      const { unknownId } = await import('../../lib/queue/broker/unknown-id.js');
      throw unknownId(id, 'group');
    }
    await this.print(inspectedGroupView(group, this.layout, serverTime()));
    return group;
  }
}
