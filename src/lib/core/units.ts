import { BYTES_MAX, DURATION_MAX_MS } from './bounds.js';
import { InferError } from './errors.js';
import { printable } from './job.js';

const DURATION = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/;
const DURATION_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * Milliseconds of `500ms`, `2s`, `1.5m`, `1h`, `7d`; a bare number counts as seconds.
 * @param maxMs the longest that makes sense in this context [3650d]
 * @throws InferError DURATION (exit 2), also for a longer one.
 */
export function parseDuration(text: string, maxMs: number = DURATION_MAX_MS): number {
  const match = DURATION.exec(text.trim());
  if (match === null) {
    throw new InferError('DURATION', `'${printable(text)}' is not a duration`, {
      hint: 'write a number with a unit: 500ms, 2s, 1.5m, 1h or 7d (a bare number is seconds)',
    });
  }
  const unit = (match[2] ?? 's') as keyof typeof DURATION_MS;
  const ms = Number(match[1]) * DURATION_MS[unit];
  if (ms > maxMs) throw tooLong(text, maxMs);
  return ms;
}

function tooLong(text: string, maxMs: number): InferError {
  const most = writtenDuration(maxMs);
  return new InferError(
    'DURATION',
    `'${printable(text)}' is too long: the longest duration here is ${most}`,
    {
      hint: `write ${most} or less`,
    },
  );
}

/** A duration in the largest unit that divides it: `24d`, `90s`. */
export function writtenDuration(ms: number): string {
  const unit = (['d', 'h', 'm', 's'] as const).find((one) => ms % DURATION_MS[one] === 0) ?? 'ms';
  return `${ms / DURATION_MS[unit]}${unit}`;
}

const MOMENT = /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)(Z|[+-]\d{2}:?\d{2})?$/i;

/** Milliseconds since the epoch of an ISO 8601 time; without a zone it is local time. */
export function parseMoment(text: string): number {
  const match = MOMENT.exec(text.trim());
  const [, year, month, day, time, zone = ''] = match ?? [];
  const colon = zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone.toUpperCase();
  const ms = match === null ? Number.NaN : Date.parse(`${year}-${month}-${day}T${time}${colon}`);
  // JavaScript treats 31 April as 1 May.
  const days = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  if (Number.isNaN(ms) || Number(day) > days) {
    throw new InferError('TIME', `'${printable(text)}' is not a time`, {
      hint: 'write date and time: 2027-01-31T22:00 (local time), 2027-01-31T22:00Z or 2027-01-31T22:00+01:00',
    });
  }
  return ms;
}

/** A duration for display: `850 µs`, `12.3 ms`, `4.2 s`, `3m 20s`, `2h 5m`, `4d 3h`. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return '-';
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 1000) return `${ms < 100 ? Number(ms.toFixed(1)) : Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${whole % 60}s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)}h ${Math.floor((whole % 3600) / 60)}m`;
  return `${Math.floor(whole / 86_400)}d ${Math.floor((whole % 86_400) / 3600)}h`;
}

const BYTES = /^(\d+(?:\.\d+)?)\s*(b|kb|mb|gb|tb)?$/i;
const BYTE_UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

/**
 * Bytes of `512`, `64kb`, `2gb` (powers of 1024, as Redis writes them).
 * @throws InferError BYTES (exit 2), also for more than 1,024 TB.
 */
export function parseBytes(text: string): number {
  const match = BYTES.exec(text.trim());
  if (match === null) {
    throw new InferError('BYTES', `'${printable(text)}' is not a size`, {
      hint: 'write a number with a unit: 64kb, 512mb or 2gb',
    });
  }
  const bytes = Math.round(Number(match[1]) * 1024 ** BYTE_UNITS.indexOf((match[2] ?? 'b').toUpperCase()));
  if (bytes > BYTES_MAX) {
    throw new InferError('BYTES', `'${printable(text)}' is too large: the largest size is 1024tb`, {
      hint: 'write 1024tb or less',
    });
  }
  return bytes;
}

/** Bytes for display: `512 B`, `1.5 MB` (powers of 1024). */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${Number(value.toFixed(digits))} ${BYTE_UNITS[unit]}`;
}
