import type { Random } from '../chaos/random.js';
import type { Operation } from './document.js';

/** Text that stands in JSON as it is, without quotes, such as `1e999`. */
export class RawJson {
  constructor(readonly text: string) {}

  toJSON(): string {
    return `@raw:${this.text}@`;
  }
}

const RAW = /"@raw:([^"@]*)@"/g;

/** JSON text, with raw parts as they are. */
export function jsonText(value: unknown): string {
  return (JSON.stringify(value) ?? 'null').replace(RAW, '$1');
}

/** A request that is meant to be valid, in parts that a mutation can change. */
export interface Draft {
  operation: Operation;
  method: string;
  /** Values of parameters of the path, not encoded. */
  pathValues: Readonly<Record<string, string>>;
  /** Names and values, not encoded. */
  query: readonly (readonly [string, string])[];
  /** Without those that frame the body. */
  headers: readonly (readonly [string, string])[];
  contentType: string | undefined;
  /** The body where it is JSON. */
  json: { value: unknown } | undefined;
  /** The body where it is anything else. */
  bytes: Buffer | undefined;
}

/** A request as it goes over the connection, in parts that a mutation of HTTP itself can change. */
export interface Wire {
  method: string;
  /** Path and query, percent-encoded or not; latin1. */
  target: string;
  version: string;
  /** All headers, latin1, in their order. */
  headers: readonly (readonly [string, string])[];
  /** What follows the headers, framed. */
  body: Buffer;
  /** Replaces everything above. */
  raw?: Buffer;
  /** Nothing else can follow on this connection. */
  last?: boolean;
  /** The client has no more to send, although its body is not complete. */
  halfClosed?: boolean;
}

/** A request with one fault. */
export interface Mutated {
  wire: Wire;
  /** Statuses that may come before an operation is found, besides those that it documents. */
  early?: readonly number[];
  /** The server may close the connection without an answer. */
  silent?: boolean;
}

/** One kind of fault. */
export interface Mutation {
  name: string;
  fits(draft: Draft): boolean;
  apply(draft: Draft, random: Random): Mutated;
}

export const HOST = '127.0.0.1';

export function hasBody(draft: Draft): boolean {
  return bodyOf(draft) !== undefined;
}

export function bodyOf({ json, bytes }: Draft): Buffer | undefined {
  return json === undefined ? bytes : Buffer.from(jsonText(json.value));
}

/** A query as text, without the question mark. */
export function queryText(query: Draft['query']): string {
  return query.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');
}

/** The path with its values, percent-encoded. */
export function pathText({ operation, pathValues }: Draft): string {
  return operation.path.replace(/\{([^}]*)\}/g, (_, name: string) =>
    encodeURIComponent(pathValues[name] ?? 'x'),
  );
}

/** A draft as a well-formed request. */
export function assemble(draft: Draft): Wire {
  const query = queryText(draft.query);
  const body = bodyOf(draft);
  const { contentType } = draft;
  return {
    method: draft.method,
    target: `${pathText(draft)}${query === '' ? '' : `?${query}`}`,
    version: 'HTTP/1.1',
    headers: [
      ['Host', HOST],
      ...draft.headers,
      ...(contentType === undefined ? [] : [['Content-Type', contentType] as const]),
      ...(body === undefined ? [] : [['Content-Length', String(body.length)] as const]),
    ],
    body: body ?? Buffer.alloc(0),
  };
}

/** The bytes of a request. */
export function wireBytes({ method, target, version, headers, body, raw }: Wire): Buffer {
  if (raw !== undefined) return raw;
  const lines = [`${method} ${target} ${version}`, ...headers.map(([name, value]) => `${name}: ${value}`)];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
}

/** A draft whose body is other bytes of the same type. */
export function withBytes(draft: Draft, bytes: Buffer): Draft {
  return { ...draft, json: undefined, bytes };
}

export function withoutHeader(headers: Wire['headers'], name: string): Wire['headers'] {
  return headers.filter(([one]) => one.toLowerCase() !== name.toLowerCase());
}

export function withHeader(headers: Wire['headers'], name: string, value: string): Wire['headers'] {
  return [...withoutHeader(headers, name), [name, value]];
}
