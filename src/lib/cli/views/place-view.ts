import { plural } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import type { Eta, JobPlace } from '../../deployment/place/job-place.js';
import { isBlocking } from '../../deployment/place/reasons.js';

/** A wait below this many ms is not mentioned. */
const AT_ONCE_MS = 1000;

/** Position, ETA and reason as facts of a view; none for a job that has started. */
export function placeFacts(place: Partial<JobPlace>): [string, string][] {
  const { position, eta, noEta, why } = place;
  if (why === undefined) return [];
  const fix = why.fix ?? noEta?.fix ?? null;
  const rows: [string, string | undefined][] = [
    ['position', position ? positionText(position) : undefined],
    ['why', printable(why.text)],
    ['starts', eta ? startText(eta) : undefined],
    ['ends', eta ? spreadText(eta.endMs) : undefined],
    ['no ETA', noEta && noEta.code !== why.code ? printable(noEta.text) : undefined],
    ['try', fix === null ? undefined : printable(fix)],
  ];
  return rows.filter((row): row is [string, string] => row[1] !== undefined);
}

/** One line of `submit` about a job that does not start immediately; undefined if it does. */
export function placeLine({ why, eta, noEta }: JobPlace): { text: string; blocked: boolean } | undefined {
  // For a requested delay, the line is about what will be ahead afterwards.
  if (noEta !== null && isBlocking(noEta.code)) {
    const fix = noEta.fix === null ? '' : `. Try: ${noEta.fix}`;
    return { text: `${noEta.text}; the job waits${fix}`, blocked: true };
  }
  if (why.code === 'STARTING' || why.code === 'DELAYED') return undefined;
  if (eta !== null && eta.startMs.p50 < AT_ONCE_MS) return undefined;
  const when = eta === null ? `its start cannot be estimated: ${noEta?.text}` : `it starts ${startText(eta)}`;
  return { text: `${why.text}; ${when}`, blocked: false };
}

function positionText({ jobsAhead, rowsAheadEstimate }: NonNullable<JobPlace['position']>): string {
  if (jobsAhead === 0) return 'next in its queue';
  return `${plural(jobsAhead, 'job')} ahead in its queue, about ${plural(rowsAheadEstimate, 'row')}`;
}

function startText(eta: Eta): string {
  return `${spreadText(eta.startMs)} (${printable(eta.basis)})`;
}

function spreadText({ p50, p90 }: Eta['startMs']): string {
  if (p90 < AT_ONCE_MS) return 'within a second';
  const late = formatDuration(p90);
  return p50 === p90 ? `in about ${late}` : `in about ${formatDuration(p50)}, 9 of 10 within ${late}`;
}
