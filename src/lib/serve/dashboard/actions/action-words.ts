import { plural } from '../../../core/counts.js';
import { printable } from '../../../core/job.js';
import { type Bounded, boundedJobs } from '../../../operations/estimate-text.js';
import type { JobsFilter } from '../shapes.js';

/**
 * The jobs that a filter selects, for a sentence: `7 failed jobs of queue rf with error TIME_LIMIT`. Without a
 * queue it says `of all queues`, since that is easily overlooked.
 * @param state only jobs of this state are meant, whatever the filter says
 */
export function jobsThat(
  filter: JobsFilter,
  jobs: Bounded,
  state: string | undefined = filter.state,
): string {
  const { queue, model, worker, priority, olderThan, error } = filter;
  const withs = [priority && `priority ${priority}`, error && `error ${error}`].filter(Boolean);
  const words = [
    boundedJobs(jobs, state ? `${state.replaceAll(',', ' and ')} job` : 'job'),
    queue ? `of ${listed('queue', queue)}` : 'of all queues',
    model && `for ${listed('model', model)}`,
    worker && `on ${listed('worker', worker)}`,
    withs.length > 0 && `with ${withs.join(' and ')}`,
    olderThan && `older than ${olderThan}`,
  ];
  return printable(words.filter(Boolean).join(' '));
}

/** `queue a`, or `queues a, b` of a filter that names several. */
function listed(what: string, names: string): string {
  return names.includes(',') ? `${what}s ${names.replaceAll(',', ', ')}` : `${what} ${names}`;
}

/** `worker w1`, `workers w1, w2 and w3`; more than three are counted. */
export function workersNamed(names: readonly string[]): string {
  if (names.length > 3) return plural(names.length, 'worker');
  const shown = names.map((name) => printable(name));
  const last = shown.at(-1) ?? '';
  return shown.length < 2 ? `worker ${last}` : `workers ${shown.slice(0, -1).join(', ')} and ${last}`;
}
