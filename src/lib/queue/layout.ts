import { plural } from '../core/counts.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/printable.js';

/**
 * The version of the data in Redis. A job and a group carry the layout that they were submitted in, so
 * processes of different releases can share a queue during a rolling upgrade; docs/architecture.md, "Wire
 * format", says what may change without a new layout. A process does not touch data in a newer layout than it
 * knows: of such a job, it reads only what is the same in every layout (its place in the lists, lock, name,
 * priority, times and counts).
 *
 * The first layout has no mark, so jobs in it cost nothing. A later one is in a job's spec and, after `!`, in
 * its route: `digits!2/0.3.0`. The take script files jobs by route, so a worker that does not know the layout
 * skips such a job like one of another model, even a worker of a release from before layouts.
 */
export interface DataLayout {
  number: number;
  /** The first release of infer that can read it. */
  since: string;
}

/** The layouts that this release reads, the newest last; it writes the last one. */
export const LAYOUTS: readonly [DataLayout, ...DataLayout[]] = [{ number: 1, since: '0.1.0' }];

/** The layout written by a process that knows these. */
export function newestOf(layouts: readonly DataLayout[]): DataLayout {
  return layouts.at(-1) ?? LAYOUTS[0];
}

/** The mark of a layout in jobs, groups and heartbeats: `2/0.3.0`; undefined for the first. */
export function markOf({ number, since }: DataLayout): string | undefined {
  return number === 1 ? undefined : `${number}/${since}`;
}

/** The marks of the given layouts; the first layout has none. */
export function marksOf(layouts: readonly DataLayout[]): string[] {
  return layouts.map(markOf).filter((mark) => mark !== undefined);
}

const MARK = /^(\d{1,9})\/([^#!\s]+)$/;

/** The layout of a mark that is newer than all of these; undefined for a known layout or no mark. */
export function newerThan(layouts: readonly DataLayout[], mark: unknown): DataLayout | undefined {
  const [, number, since] = typeof mark === 'string' ? (MARK.exec(mark) ?? []) : [];
  if (number === undefined || since === undefined || Number(number) <= newestOf(layouts).number)
    return undefined;
  return { number: Number(number), since };
}

/** A route with the mark of a job's layout. */
export function markedRoute(route: string, mark: string | undefined): string {
  return mark === undefined ? route : `${route}!${mark}`;
}

/** Splits a route into the route and the mark of its layout. Model names contain no `!`. */
export function splitRoute(route: string): { route: string; mark?: string } {
  const at = route.indexOf('!');
  return at < 0 ? { route } : { route: route.slice(0, at), mark: route.slice(at + 1) };
}

/** What to do about data of a newer layout. */
export function upgradeFix({ since }: DataLayout): string {
  return `upgrade infer here to ${since} or newer`;
}

/** What a worker logs about jobs in a newer layout. */
export const NEEDS_UPGRADE = 'submitted by a newer infer, and left to workers of that release';

/**
 * LAYOUT_NEWER: this release cannot read or change it.
 * @param what for example `job j1`
 * @param many number of jobs
 */
export function layoutNewer(what: string, layout: DataLayout, many = 1): InferError {
  const [were, them] = many === 1 ? ['was', 'it'] : ['were', 'them'];
  return new InferError(
    'LAYOUT_NEWER',
    `${what} ${were} submitted by infer ${layout.since} or newer, and this release cannot read ${them}`,
    { hint: upgradeFix(layout) },
  );
}

/** Jobs left alone because only a newer release can change them, and the layout of the first one. */
export interface NewerJobs {
  jobs: number;
  layout: DataLayout;
}

/** LAYOUT_NEWER: all jobs of a group that an action could have changed are of a newer layout. */
export function groupNewer(id: string, { jobs, layout }: NewerJobs): InferError {
  return layoutNewer(`${plural(jobs, 'job')} of group ${printable(id)}`, layout, jobs);
}

/**
 * Lua: whether a job, judged by its name, has a layout that this code does not know. Called before a script
 * reads or changes something that may differ there. Not needed for jobs returned by a take: the worker asked
 * for their layouts.
 */
export const isNewerLua = (layouts: readonly DataLayout[]): string => `
local function isNewer(name)
  local number = string.match(name or '', '!(%d+)/[^#]*#%d+$')
  return number ~= nil and tonumber(number) > ${newestOf(layouts).number}
end
`;
