import { InferError } from '../core/errors.js';

/**
 * The version of what lies in Redis. A job and a group carry the layout that they were submitted in, so processes of
 * different releases can share a queue while they are upgraded one by one; what may change without a new layout is said
 * in docs/architecture.md, "Wire format". A process leaves alone what has a newer layout than it knows: of such a job only
 * what is the same in every layout is read (its place in the lists, lock, name, priority, times and counts).
 *
 * The first layout says nothing, so jobs of it cost nothing. A later one is in the spec of a job and behind `!` in its
 * route, `digits!2/0.3.0`: the take script files jobs by route, so a worker that does not know the layout passes such a
 * job over as it does one of another model, also a worker of a release that had never heard of layouts.
 */
export interface DataLayout {
  number: number;
  /** The first release of infer that reads it. */
  since: string;
}

/** What this release reads, the newest last; in that it writes. */
export const LAYOUTS: readonly [DataLayout, ...DataLayout[]] = [{ number: 1, since: '0.1.0' }];

/** The layout that a process writes which knows these. */
export function newestOf(layouts: readonly DataLayout[]): DataLayout {
  return layouts.at(-1) ?? LAYOUTS[0];
}

/** How a layout is named in jobs, groups and heartbeats: `2/0.3.0`; undefined for the first. */
export function markOf({ number, since }: DataLayout): string | undefined {
  return number === 1 ? undefined : `${number}/${since}`;
}

/** The marks of those layouts that have one. */
export function marksOf(layouts: readonly DataLayout[]): string[] {
  return layouts.map(markOf).filter((mark) => mark !== undefined);
}

const MARK = /^(\d{1,9})\/([^#!\s]+)$/;

/** The layout of a mark that is newer than all of these; undefined where it is known, or there is no mark. */
export function newerThan(layouts: readonly DataLayout[], mark: unknown): DataLayout | undefined {
  const [, number, since] = typeof mark === 'string' ? (MARK.exec(mark) ?? []) : [];
  if (number === undefined || since === undefined || Number(number) <= newestOf(layouts).number)
    return undefined;
  return { number: Number(number), since };
}

/** A route as jobs of a layout have it. */
export function markedRoute(route: string, mark: string | undefined): string {
  return mark === undefined ? route : `${route}!${mark}`;
}

/** A route without the mark of its layout, and the mark. Names of models have no `!`. */
export function splitRoute(route: string): { route: string; mark?: string } {
  const at = route.indexOf('!');
  return at < 0 ? { route } : { route: route.slice(0, at), mark: route.slice(at + 1) };
}

/** What to do about data of a newer layout. */
export function upgradeFix({ since }: DataLayout): string {
  return `upgrade infer here to ${since} or newer`;
}

/** What a worker logs of jobs of a newer layout. */
export const NEEDS_UPGRADE = 'submitted by a newer infer, and left to workers of that release';

/** LAYOUT_NEWER: this release cannot read or change it. @param what `job j1` */
export function layoutNewer(what: string, layout: DataLayout): InferError {
  return new InferError(
    'LAYOUT_NEWER',
    `${what} was submitted by infer ${layout.since} or newer, and this release cannot read it`,
    { hint: upgradeFix(layout) },
  );
}

/**
 * Lua: whether a job is of a layout that this code does not know, by its name. Called where a script would read or change
 * what may be different there, and never for a job that a take brings: those are of layouts that their worker asked for.
 */
export const isNewerLua = (layouts: readonly DataLayout[]): string => `
local function isNewer(name)
  local number = string.match(name or '', '!(%d+)/[^#]*#%d+$')
  return number ~= nil and tonumber(number) > ${newestOf(layouts).number}
end
`;
