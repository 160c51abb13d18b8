import { Flags } from '@oclif/core';
import { BaseCommand } from '../lib/cli/base-command.js';
import { sinceFlag, wholeFlag } from '../lib/cli/flags.js';
import { listJson, outputFlag, printList } from '../lib/cli/output/list-format.js';
import { interruptible } from '../lib/cli/signals.js';
import { eventLine, eventList } from '../lib/cli/views/event-list.js';
import type { ReconnectingReader } from '../lib/deployment/reconnecting-reader.js';
import { type DeploymentEvent, EVENT_KINDS, type EventKind } from '../lib/queue/events/types.js';

/** Approximate maximum number of events and changes that are kept. */
const MOST = 25_000;
const SHOWN = 50;

/** Shows what happened in the deployment. */
export default class Events extends BaseCommand<typeof Events> {
  static override summary =
    'show what happened: workers that came, left or were lost, scaling, failures, changes';
  static override description =
    `Oldest first. With -f, further events as they come, until Ctrl-C; with --json, one a line. Events of workers, queues
and autoscalers are kept for 14 days, 5,000 at most; changes come from the audit log (infer inspect audit).
Kinds: ${Object.keys(EVENT_KINDS).join(', ')}.`;
  static override examples = [
    '<%= config.bin %> events',
    '<%= config.bin %> events -f',
    '<%= config.bin %> events --since 24h --kind worker-lost,failures-began',
    "<%= config.bin %> events -f --json | jq -r 'select(.alarm) | .text'",
  ];
  static override flags = {
    follow: Flags.boolean({ char: 'f', description: 'keep printing new events, until Ctrl-C' }),
    since: sinceFlag('only events of the last 1h, 7d, …'),
    kind: Flags.option({
      options: Object.keys(EVENT_KINDS) as EventKind[],
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      helpValue: '<kinds>',
      description: 'only events of these kinds',
    })(),
    limit: wholeFlag({
      min: 0,
      max: MOST,
      char: 'n',
      description: `maximum number of past events to show [default: ${SHOWN}]`,
    }),
    output: outputFlag(),
  };

  protected override get streamsJson(): boolean {
    return this.isGiven('follow');
  }

  async run(): Promise<{ events: unknown[] } | undefined> {
    const { since, kind: kinds, follow } = this.flags;
    const { ReconnectingReader } = await import('../lib/deployment/reconnecting-reader.js');
    const { serverTime } = await import('../lib/redis/server-clock.js');
    const reader = new ReconnectingReader(this.loaded);
    const limit = this.flags.limit ?? (since === undefined ? SHOWN : MOST);
    try {
      const { events, cursor } = await reader.read(async (one) => {
        // The server's time is known once a connection is open.
        await one.heartbeats();
        return one.events({ limit, kinds, since: since === undefined ? undefined : serverTime() - since });
      });
      if (follow) {
        await this.follow(reader, events, cursor);
        return undefined;
      }
      await printList(this.listTarget, eventList, events);
      return { events: listJson(eventList, events) };
    } finally {
      await reader.close();
    }
  }

  /** Prints the past events and those that follow; while Redis is away it says so once and tries again. */
  private async follow(
    reader: ReconnectingReader,
    past: readonly DeploymentEvent[],
    cursor: string,
  ): Promise<void> {
    const { followEvents } = await import('../lib/deployment/follow-events.js');
    const { output } = this.flags;
    const asJson = this.jsonEnabled() || output === 'ndjson';
    const ndjson = this.ndjson();
    const { paint } = this.layout;
    await interruptible((signal) =>
      followEvents(
        reader,
        { past, cursor, kinds: this.flags.kind },
        {
          onEvent: async (event) => {
            if (asJson) await ndjson.write(event);
            else if (output === 'name') await this.print(event.id);
            else await this.print(event.alarm ? paint('red', eventLine(event)) : eventLine(event));
          },
          onAway: (error) => this.warn(`${error.message}; trying again`),
        },
        signal,
      ),
    );
  }
}
