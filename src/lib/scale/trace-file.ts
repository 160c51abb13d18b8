import type { InputCode } from '../core/error-table.js';
import { badInput, type InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { withoutMark } from '../core/text.js';
import { parseDuration } from '../core/units.js';
import type { Trace } from './traces.js';

const ISO = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$/;
const NUMBER = /^\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i;
/** Larger numbers count from 1970: seconds and, above the next threshold, milliseconds. */
const EPOCH_SECONDS = 1e8;
const EPOCH_MS = 1e11;
const ARRIVAL_COLUMNS = ['arrival', 'arrived', 'arrived_at', 'time', 'timestamp', 'at', 't'];
const SERVICE_COLUMNS = ['service', 'service_s', 'service_seconds', 'service_time', 'duration', 'seconds'];
const SERVICE_MS_COLUMNS = ['service_ms', 'duration_ms'];
const LEAST_DURATION_MS = 1000;
const EXAMPLE =
  'one job a line: its arrival (seconds or an ISO time), then if known what it takes (0.25 or 250ms)';

type Clock = 'seconds' | 'date';

interface Layout {
  readonly arrival: number;
  /** Null: there is no such column. */
  readonly service: number | null;
  readonly serviceUnitMs: number;
  /** Number of columns per line; null: any. */
  readonly columns: number | null;
}

/**
 * The jobs of a CSV file: arrival times (seconds from the start, seconds or milliseconds since 1970, or ISO)
 * and, in an optional second column, service times. A header is optional; if there is one, other columns are
 * ignored. Lines may be in any order; empty ones and those beginning with # are skipped.
 *
 * @param name its name in messages and tables.
 * @throws InferError TRACE_* (65) with the line number.
 */
export function parseTrace(text: string, name: string): Trace {
  let layout: Layout | undefined;
  let clock: Clock | undefined;
  const jobs: { at: number; service: number }[] = [];
  const lines = withoutMark(text).split(/\r?\n|\r/);
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    const number = index + 1;
    const fields = fieldsOf(line);
    if (layout === undefined) {
      const header = timeOf(fields[0] ?? '') === undefined ? headerOf(fields, number) : undefined;
      layout = header ?? bareLayout(fields, number);
      if (header !== undefined) continue;
    }
    if (layout.columns !== null && fields.length !== layout.columns) {
      throw bad('TRACE_COLUMNS', `${fields.length} columns, the first line has ${layout.columns}`, number);
    }
    const time = timeOf(fields[layout.arrival] ?? '');
    if (time === undefined) throw badTime(fields[layout.arrival] ?? '', number);
    if (clock !== undefined && clock !== time.clock) {
      throw bad('TRACE_TIME', 'dates and plain seconds in one file', number);
    }
    clock = time.clock;
    jobs.push({ at: time.ms, service: serviceOf(fields, layout, number) });
  }
  if (jobs.length === 0) throw bad('TRACE_EMPTY', `${printable(name)} has no arrivals`);
  return traceOf(name, jobs, clock === 'date', layout?.service !== null);
}

function traceOf(
  name: string,
  jobs: { at: number; service: number }[],
  dated: boolean,
  timed: boolean,
): Trace {
  jobs.sort((a, b) => a.at - b.at);
  const start = dated ? (jobs[0]?.at ?? 0) : 0;
  const arrivals = Float64Array.from(jobs, (job) => job.at - start);
  return {
    name,
    durationMs: Math.max(LEAST_DURATION_MS, arrivals.at(-1) ?? 0),
    arrivals,
    serviceMs: timed ? Float64Array.from(jobs, (job) => job.service) : null,
  };
}

function headerOf(fields: readonly string[], line: number): Layout {
  const names = fields.map((field) => field.toLowerCase().replaceAll(/[\s-]+/g, '_'));
  const arrival = names.findIndex((name) => ARRIVAL_COLUMNS.includes(name));
  if (arrival < 0) {
    const first = fields[0] ?? '';
    // A header consists of words; anything beginning like a number is a malformed time.
    if (/^[\d.+-]/.test(first)) throw badTime(first, line);
    throw bad(
      'TRACE_HEADER',
      `no column is called time, timestamp or arrival: ${printable(fields.join(', '))}`,
      line,
    );
  }
  const service = names.findIndex((name) => [...SERVICE_COLUMNS, ...SERVICE_MS_COLUMNS].includes(name));
  return {
    arrival,
    service: service < 0 ? null : service,
    serviceUnitMs: SERVICE_MS_COLUMNS.includes(names[service] ?? '') ? 1 : 1000,
    columns: null,
  };
}

function bareLayout(fields: readonly string[], line: number): Layout {
  if (fields.length > 2) {
    throw bad('TRACE_COLUMNS', `${fields.length} columns and no header that says which is the arrival`, line);
  }
  return { arrival: 0, service: fields.length === 2 ? 1 : null, serviceUnitMs: 1000, columns: fields.length };
}

/** RFC 4180 quotes, as far as needed for times. */
function fieldsOf(line: string): string[] {
  return line.split(/[,;\t]/).map((field) =>
    field
      .trim()
      .replace(/^"(.*)"$/, '$1')
      .trim(),
  );
}

function timeOf(field: string): { ms: number; clock: Clock } | undefined {
  if (NUMBER.test(field)) {
    const value = Number(field);
    if (value >= EPOCH_MS) return { ms: value, clock: 'date' };
    return { ms: value * 1000, clock: value >= EPOCH_SECONDS ? 'date' : 'seconds' };
  }
  const date = ISO.exec(field);
  if (date === null) return undefined;
  // Without a zone, UTC: the answer must not depend on where it is computed.
  const ms = Date.parse(`${field.replace(' ', 'T')}${date[1] === undefined ? 'Z' : ''}`);
  return Number.isNaN(ms) ? undefined : { ms, clock: 'date' };
}

function serviceOf(fields: readonly string[], layout: Layout, line: number): number {
  if (layout.service === null) return 0;
  const field = fields[layout.service] ?? '';
  const ms = NUMBER.test(field) ? Number(field) * layout.serviceUnitMs : unitMs(field);
  if (ms !== undefined && Number.isFinite(ms) && ms > 0) return ms;
  throw bad('TRACE_SERVICE', `'${printable(field)}' is not what a job takes`, line);
}

function unitMs(field: string): number | undefined {
  try {
    return parseDuration(field);
  } catch {
    return undefined;
  }
}

function badTime(field: string, line: number): InferError {
  return bad('TRACE_TIME', `'${printable(field.slice(0, 60))}' is not a time of arrival`, line);
}

function bad(code: InputCode, message: string, line?: number): InferError {
  return badInput(code, message, { hint: EXAMPLE, where: line === undefined ? undefined : `line ${line}` });
}
