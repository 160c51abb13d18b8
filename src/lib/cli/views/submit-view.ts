import type { SubmittedGroup, SubmittedJob } from '../../client/types.js';
import { plural } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import { facts, type Layout } from '../output/text.js';

type Submitted = SubmittedJob | Omit<SubmittedGroup, 'priority'>;

/** In a pipe, only the id, so that `id=$(infer submit x.json)` works without a flag. */
export function submitView(submitted: Submitted, layout: Layout, quiet = false): string[] {
  const id = 'group' in submitted ? submitted.group : submitted.id;
  if (quiet || !layout.tty) return [printable(id)];
  const { paint } = layout;
  const about: [string, string][] = [
    ['queue', printable(submitted.queue)],
    ['model', printable(submitted.model)],
  ];
  if ('group' in submitted) {
    about.push(['rows', `${plural(submitted.rows, 'row')} in ${plural(submitted.jobs, 'job')}`]);
  } else {
    about.push(['priority', String(submitted.priority)], ['rows', String(submitted.rows)]);
  }
  const what = 'group' in submitted ? 'group ' : '';
  const note =
    'duplicate' in submitted && submitted.duplicate === true ? ' already exists; nothing was added' : '';
  return [`${what}${paint('bold', printable(id))}${note}`, ...facts(about, paint)];
}

/** The command that shows the outcome. */
export function afterSubmit(submitted: Submitted): string {
  return `infer result ${'group' in submitted ? submitted.group : submitted.id} --wait`;
}
