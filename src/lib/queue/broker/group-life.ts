import { InferError } from '../../core/errors.js';
import { idTime, printable } from '../../core/job.js';
import type { RedisClient } from '../../redis/types.js';
import { worded } from '../../redis/worded.js';
import { isWrongValue } from '../../redis/wrong-type.js';
import { findDamage, groupDamaged } from '../damage.js';
import { groupKey } from '../keys.js';
import { type DataLayout, LAYOUTS, markedRoute, markOf, newestOf } from '../layout.js';
import type { QueueScripts, ScriptName } from '../lua/script-client.js';
import type { JobSpec } from '../types.js';
import { GROUP } from '../wire.js';
import { jobLost } from './data-watch.js';

/** Seconds that an open group is kept after its submitter's last sign of life. */
const OPEN_GROUP_TTL = 7 * 86_400;

/** A sender of a group that has been silent for this long, in ms by Redis's clock, has stopped. */
export const SENDER_LEASE_MS = 15_000;

/**
 * How rows are cut into chunks (`ChunkBuilder`). A group begun with one method and continued with another
 * would have some rows twice and others never.
 */
const CUTTING = '2';

/** The state of a group when a sender opened it, see `OPEN_GROUP`. */
export type GroupOpening =
  | 'new'
  | 'open'
  | 'closed'
  | 'cancelled'
  | 'abandoned'
  | 'other'
  | 'theirs'
  | 'differs';

/** What a sender that stops has left to do, see `LEAVE_GROUP`. */
export type GroupLeaving = 'ours' | 'shared' | 'closed' | 'gone';

/** The final counts of a group: rows and jobs sent, and how many of the jobs are not in the queue. */
interface GroupEnd {
  rows: number;
  jobs: number;
  missing?: number | undefined;
}

/**
 * A group from its first sender to its end, each step one script. `sender` is a token of one submit: several
 * may send the same group, and only the last of them may undo it.
 */
export class GroupLife {
  constructor(
    private readonly client: RedisClient,
    private readonly prefix: string,
    private readonly scriptsOf: (queue: string) => QueueScripts,
    private readonly layouts: readonly DataLayout[] = LAYOUTS,
  ) {}

  /** Creates a group, or joins its current senders. */
  async open(
    group: Pick<
      JobSpec,
      'id' | 'queue' | 'model' | 'priority' | 'resultTtl' | 'notBefore' | 'owner' | 'digest'
    >,
    sender: string,
  ): Promise<GroupOpening> {
    const { queue, id, model, priority, resultTtl: ttl, notBefore: start, owner, digest } = group;
    const layout = markOf(newestOf(this.layouts));
    const fields = {
      ...{ [GROUP.model]: model, [GROUP.priority]: priority, [GROUP.ttl]: ttl },
      ...(start === undefined ? {} : { [GROUP.start]: start }),
      ...(layout === undefined ? {} : { [GROUP.layout]: layout }),
      ...(owner === undefined ? {} : { [GROUP.owner]: owner }),
      ...(digest === undefined ? {} : { [GROUP.digest]: digest }),
    };
    // A sender of another layout must not continue it either.
    const cutting = markedRoute(CUTTING, layout);
    const args = [sender, OPEN_GROUP_TTL, cutting, ...Object.entries(fields).flat()];
    return (await this.run(queue, 'inferOpenGroup', id, ...args)) as GroupOpening;
  }

  /**
   * Records what a sender has sent so far, and that it is active. @throws InferError CANCELLED when the group
   * was cancelled, GROUP_GONE when it was undone, JOB_LOST when Redis lost it.
   */
  async note(queue: string, id: string, sender: string, sent: GroupEnd): Promise<void> {
    const args = [sender, sent.jobs, sent.rows, OPEN_GROUP_TTL];
    await this.accepted(queue, id, sender, await this.run(queue, 'inferNoteChunks', id, ...args));
  }

  /**
   * Makes rows and chunk jobs final; returns true when all of them have ended already.
   * @param content digest of the rows, to detect other rows under the same id
   * @throws InferError CANCELLED, GROUP_GONE, JOB_LOST; ID_TAKEN when another sender has closed it with other
   *   rows.
   */
  async close(
    queue: string,
    id: string,
    sender: string,
    { rows, jobs }: GroupEnd,
    content = '',
  ): Promise<boolean> {
    const answer = await this.run(queue, 'inferCloseGroup', id, sender, rows, jobs, '', 0, content);
    return (await this.accepted(queue, id, sender, answer)) === 1;
  }

  /** The same for a group that is undone or was cancelled, and ends without all of its rows. */
  async end(queue: string, id: string, sender: string, { rows, jobs, missing = 0 }: GroupEnd): Promise<void> {
    await this.run(queue, 'inferCloseGroup', id, sender, rows, jobs, '1', missing);
  }

  /** A sender stops; returns what that means for the group, and how many chunks all senders sent. */
  async leave(queue: string, id: string, sender: string): Promise<{ what: GroupLeaving; added: number }> {
    const reply = await this.run(queue, 'inferLeaveGroup', id, sender, SENDER_LEASE_MS);
    const [what, added] = reply as [GroupLeaving, number];
    return { what, added };
  }

  /** Deletes a group that this sender undoes before any of its chunks ran; false when some did. */
  async forget(queue: string, id: string, sender: string, chunks: number): Promise<boolean> {
    return (await this.run(queue, 'inferForgetGroup', id, sender, chunks)) === 1;
  }

  /** Cancels a group: its senders stop. True when no sender is left to close it. */
  async cancel(queue: string, id: string): Promise<boolean> {
    return (await this.run(queue, 'inferCancelGroup', id, SENDER_LEASE_MS)) === 1;
  }

  /** The answer of a script, unless no more may be sent to the group. */
  private async accepted(queue: string, id: string, sender: string, answer: unknown): Promise<unknown> {
    // The group existed when this sender opened it, and its token tells when that was.
    const known = { queue, seenAt: idTime(sender) };
    const lost = answer === 'gone' ? await jobLost(this.client, this.prefix, id, known) : undefined;
    if (lost !== undefined) throw lost;
    return refuse(id, answer);
  }

  private run(queue: string, name: ScriptName, ...args: (string | number)[]): Promise<unknown> {
    const done = this.scriptsOf(queue).run(name, ...args);
    const named = done.catch(async (error: unknown) => {
      if (!isWrongValue(error)) throw error;
      const key = groupKey(this.scriptsOf(queue).tag, String(args[0]));
      throw groupDamaged(String(args[0]), await findDamage(this.client, key, 'its record', 'hash'));
    });
    return worded(this.client, named);
  }
}

/** The answer of a script, unless it says that no more may be sent to the group. */
function refuse(id: string, answer: unknown): unknown {
  const name = printable(id);
  if (answer === 'cancelled') throw new InferError('CANCELLED', `group ${name} was cancelled`);
  if (answer === 'gone') {
    throw new InferError(
      'GROUP_GONE',
      `group ${name} was cancelled by another submit of it, or has expired`,
      {
        hint: 'send the rows again',
      },
    );
  }
  if (answer === 'other') {
    throw new InferError('ID_TAKEN', `group ${name} was closed with other rows`, {
      hint: 'send these rows under another --id',
    });
  }
  return answer;
}
