import type { FastifyReply, FastifyRequest } from 'fastify';

/** How long a caller wants to wait for a response (RFC 7240), limited by the server. */
export interface Preference {
  /** Milliseconds to wait for the end of the job; undefined: respond at once. */
  waitMs: number | undefined;
  /** Value of the header `Preference-Applied`; undefined if nothing was applied. */
  applied: string | undefined;
}

/**
 * The `Prefer` header: `wait=10` and `wait` (as long as the server allows), `wait=0` (not at all),
 * `respond-async`. Other preferences, parameters of preferences, and what cannot be read, are ignored, as the
 * RFC wants it.
 */
export function preferenceOf(header: string | readonly string[] | undefined, mostMs: number): Preference {
  const words = [header ?? []].flat().join(',').toLowerCase().split(',');
  const names = words.map((word) => word.split(';', 1)[0] ?? '');
  const prefers = names.map((word) => /^\s*([a-z-]+)\s*(?:=\s*"?(\d+)"?\s*)?$/.exec(word) ?? []);
  const wait = prefers.find(([, name]) => name === 'wait');
  if (wait !== undefined) {
    const seconds = wait[2] === undefined ? mostMs / 1000 : Math.min(Number(wait[2]), mostMs / 1000);
    return { waitMs: seconds > 0 ? seconds * 1000 : undefined, applied: `wait=${seconds}` };
  }
  const isAsync = prefers.some(([, name]) => name === 'respond-async');
  return { waitMs: undefined, applied: isAsync ? 'respond-async' : undefined };
}

/** Reads the caller's preference, and sets `Preference-Applied`. */
export function applyPreference(request: FastifyRequest, reply: FastifyReply, mostMs: number): Preference {
  const preference = preferenceOf(request.headers.prefer, mostMs);
  if (preference.applied !== undefined) reply.header('preference-applied', preference.applied);
  return preference;
}

/** Whether a caller wants the job itself as the answer, also where it would wait for a while. */
export function prefersAsync(header: string | readonly string[] | undefined): boolean {
  return /(?:^|,)\s*respond-async\s*(?:[,;]|$)/i.test([header ?? []].flat().join(','));
}
