import { plural } from '../../core/counts.js';
import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import type { Eta, JobPlace } from '../../deployment/place/job-place.js';
import { isBlocking } from '../../deployment/place/reasons.js';

/** A job that starts within this time is as good as started, ms: nothing is said of its wait. */
const AT_ONCE_MS = 1000;

/** Where a job stands, as facts of a view; of a job that has started none. */
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

/** What `submit` says of a job that does not start at once, in one line; undefined where it does. */
export function placeLine({ why, eta, noEta }: JobPlace): { text: string; blocked: boolean } | undefined {
  // Where the delay was asked for, what is said is what will be in its way then.
  if (noEta !== null && isBlocking(noEta.code)) {
    const fix = noEta.fix === null ? '' : `. Try: ${noEta.fix}`;
    return { text: `${noEta.text}; the job waits${fix}`, blocked: true };
  }
  if (why.code === 'STARTING' || why.code === 'DELAYED') return undefined;
  if (eta !== null && eta.startMs.p50 < AT_ONCE_MS) return undefined;
  const when = eta === null ? `when it starts cannot be told: ${noEta?.text}` : `it starts ${startText(eta)}`;
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
