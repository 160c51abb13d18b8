import { gunzipSync, inflateSync } from 'node:zlib';
import type { AnswerSchemas } from './answer-schemas.js';
import { PAYLOAD_MARKS } from './canaries.js';
import { type Answer, headerOf, type Outcome } from './connection.js';
import { type ApiDocument, answersOf, namesStatus, type Operation } from './document.js';
import type { Wire } from './draft.js';

/** The part of a request that determines the right response. */
export interface Sent {
  wire: Wire;
  early: readonly number[];
  silent: boolean;
}

/** Facts about the server. */
export interface Known {
  document: ApiDocument;
  schemas: AnswerSchemas;
  /** Codes of errors with a status of 5xx that the set-up of the run can cause. */
  busy: readonly string[];
  /** Tokens and passwords, which no response and no log may contain. */
  secrets: readonly string[];
}

/** Statuses without an operation: errors of the caller, and a redirect to a documented path. */
const NO_OPERATION: readonly number[] = [302, 308, 400, 401, 403, 404, 405, 414, 421, 431];
/** Statuses that are always wrong, even if documented: errors of the server and of the model. */
const NEVER: readonly number[] = [500, 502];
/** Response headers that repeat names from the caller: the address of its job, the id of its request. */
const REPEATED: readonly string[] = ['location', 'x-request-id'];
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\b/;

/** All faults of a response; empty if it is right. */
export function judge(
  { document, schemas, busy, secrets }: Known,
  { wire, early, silent }: Sent,
  outcome: Outcome,
): string[] {
  if ('failure' in outcome) {
    if (outcome.failure === 'closed' && silent && outcome.text === '') return [];
    const what = { closed: 'closed without an answer', late: 'no answer in time', malformed: 'no HTTP' };
    return [`${what[outcome.failure]}: ${JSON.stringify(outcome.text)}`];
  }
  const path = pathOf(wire.target);
  // A server may accept a trailing slash as the same address.
  const operation = document.find(wire.method, path) ?? document.find(wire.method, path.replace(/\/$/, ''));
  return [
    ...statusFaults(operation, wire, early, outcome),
    ...(outcome.status >= 400 ? errorFaults(wire, outcome, busy) : successFaults(operation, wire, outcome)),
    ...schemaFaults(schemas, operation, wire, outcome),
    ...leaks(secrets, outcome),
  ];
}

function statusFaults(
  operation: Operation | undefined,
  { method }: Wire,
  early: readonly number[],
  { status }: Answer,
): string[] {
  if (NEVER.includes(status)) return [`status ${status}`];
  if (status >= 500 && (operation === undefined || !namesStatus(operation, status)))
    return [`status ${status}, which is not documented`];
  if (early.includes(status)) return [];
  // There is no HEAD for a GET with an endless response.
  if (method === 'HEAD' && status === 405) return [];
  if (operation !== undefined) {
    return answersOf(operation, status) === undefined
      ? [`status ${status}, which ${operation.name} does not document`]
      : [];
  }
  // A preflight or a request for the methods: the operation belongs to another method.
  if (method === 'OPTIONS' && (status === 200 || status === 204)) return [];
  return NO_OPERATION.includes(status) ? [] : [`status ${status} where no operation is documented`];
}

function errorFaults({ method }: Wire, answer: Answer, busy: readonly string[]): string[] {
  const { status, headers, partial } = answer;
  if (method === 'HEAD') return [];
  if (partial) return ['the error is cut short'];
  const type = headerOf(headers, 'content-type') ?? '';
  if (!JSON_TYPE.test(type)) return [`an error as '${type}'`];
  const parsed = parseJson(answer);
  if (parsed === undefined)
    return [`an error that is no JSON: ${JSON.stringify(answer.body.toString().slice(0, 200))}`];
  const problem = parsed.value as Record<string, unknown> | null;
  if (typeof problem !== 'object' || problem === null) return ['an error that is no object'];
  const code = String(problem.code ?? (problem.error as { code?: unknown } | undefined)?.code);
  const unwanted = status >= 500 && !busy.includes(code) ? [`the server answers ${status} ${code}`] : [];
  if (type.startsWith('application/problem+json')) return [...unwanted, ...problemFaults(problem, status)];
  // Other protocols: `error` is text, or an object with a message.
  const { error } = problem;
  const message =
    typeof error === 'object' && error !== null ? (error as { message?: unknown }).message : error;
  const faults =
    typeof message === 'string' && message !== '' ? unwanted : [...unwanted, 'an error without a message'];
  return 'status' in problem && typeof problem.status === 'number' && problem.status !== status
    ? [...faults, `the error says status ${problem.status}`]
    : faults;
}

/** Checks RFC 9457, and the members that every problem of this server has. */
function problemFaults(problem: Record<string, unknown>, status: number): string[] {
  const texts = ['type', 'title', 'detail', 'code', 'instance', 'error'];
  return [
    ...texts.filter((name) => typeof problem[name] !== 'string').map((name) => `a problem without ${name}`),
    ...(problem.status === status ? [] : [`the problem says status ${problem.status}`]),
  ];
}

function successFaults(operation: Operation | undefined, { method }: Wire, answer: Answer): string[] {
  const { status, headers, body, partial } = answer;
  const documented = operation === undefined ? undefined : answersOf(operation, status);
  const type = mediaType(headers);
  const faults: string[] = [];
  if (documented !== undefined && documented.size > 0 && body.length > 0 && !documented.has(type))
    faults.push(`an answer as '${type}', documented as ${[...documented.keys()].join(', ')}`);
  if (method === 'HEAD' || partial || !JSON_TYPE.test(type) || body.length === 0) return faults;
  return parseJson(answer) === undefined ? [...faults, 'an answer that is no JSON'] : faults;
}

/** Whether a JSON body, of a result or of an error, matches the documented schema of its status and type. */
function schemaFaults(
  schemas: AnswerSchemas,
  operation: Operation | undefined,
  { method }: Wire,
  answer: Answer,
): string[] {
  const { status, headers, body, partial } = answer;
  const type = mediaType(headers);
  if (operation === undefined || method === 'HEAD' || partial || body.length === 0) return [];
  const schema = JSON_TYPE.test(type) ? answersOf(operation, status)?.get(type) : undefined;
  const parsed = schema === undefined ? undefined : parseJson(answer);
  if (schema === undefined || parsed === undefined) return [];
  const what = schemas.mismatch(schema, parsed.value);
  return what === undefined ? [] : [`the body of ${status} does not match its schema: ${what}`];
}

function mediaType(headers: Answer['headers']): string {
  return (headerOf(headers, 'content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

function leaks(secrets: readonly string[], answer: Answer): string[] {
  const { status, headers } = answer;
  const head = headers.map(([name, value]) => `${name}: ${value}`).join('\n');
  const unrepeated = headers
    .filter(([name]) => !REPEATED.includes(name))
    .map(([, value]) => value)
    .join('\n');
  const body = plainBody(answer)?.toString('latin1') ?? '';
  return [
    ...secrets
      .filter((secret) => head.includes(secret) || body.includes(secret))
      .map(() => 'a secret in an answer'),
    ...PAYLOAD_MARKS.filter((mark) => unrepeated.includes(mark)).map(
      (mark) => `payload in a header: ${mark}`,
    ),
    ...PAYLOAD_MARKS.filter((mark) => status >= 400 && body.includes(mark)).map(
      (mark) => `payload in an error: ${mark}`,
    ),
  ];
}

function parseJson(answer: Answer): { value: unknown } | undefined {
  try {
    return { value: JSON.parse((plainBody(answer) ?? answer.body).toString()) };
  } catch {
    return undefined;
  }
}

/** The decompressed body; undefined if it cannot be read. */
function plainBody({ headers, body }: Answer): Buffer | undefined {
  const encoding = headerOf(headers, 'content-encoding');
  try {
    if (encoding === 'gzip') return gunzipSync(body);
    return encoding === 'deflate' ? inflateSync(body) : body;
  } catch {
    return undefined;
  }
}

const UNRESERVED = /%(?:2D|2E|5F|7E|3\d|[46][1-9A-F]|[57][0-9A])/gi;

/** The path of a target: without scheme, host, query and fragment, with plain characters unescaped. */
export function pathOf(target: string): string {
  const [path = ''] = target.split(/[?#]/, 1);
  const local = path.replace(/^https?:\/\/[^/]*/i, '');
  return local.replace(UNRESERVED, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)));
}
