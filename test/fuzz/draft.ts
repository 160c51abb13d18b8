import type { Random } from '../chaos/random.js';
import type { Operation } from './document.js';

/** Text inserted into JSON unchanged, without quotes, such as `1e999`. */
export class RawJson {
  constructor(readonly text: string) {}

  toJSON(): string {
    return `@raw:${this.text}@`;
  }
}

const RAW = /"@raw:([^"@]*)@"/g;

/** JSON text, with raw parts unchanged. */
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
  /** The body if it is JSON. */
  json: { value: unknown } | undefined;
  /** The body if it is not JSON. */
  bytes: Buffer | undefined;
}

/** A request as it is sent, in parts that mutations of HTTP itself can change. */
export interface Wire {
  method: string;
  /** Path and query, percent-encoded or not; latin1. */
  target: string;
  version: string;
  /** All headers, latin1, in their order. */
  headers: readonly (readonly [string, string])[];
  /** The framed body. */
  body: Buffer;
  /** Replaces everything above. */
  raw?: Buffer;
  /** This connection cannot be reused. */
  last?: boolean;
  /** The client closes its side, although its body is incomplete. */
  halfClosed?: boolean;
}

/** A request with one fault. */
export interface Mutated {
  wire: Wire;
  /** Statuses that may occur before routing, in addition to the documented ones. */
  early?: readonly number[];
  /** The server may close the connection without a response. */
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

/** A draft with another body of the same type. */
export function withBytes(draft: Draft, bytes: Buffer): Draft {
  return { ...draft, json: undefined, bytes };
}

export function withoutHeader(headers: Wire['headers'], name: string): Wire['headers'] {
  return headers.filter(([one]) => one.toLowerCase() !== name.toLowerCase());
}

export function withHeader(headers: Wire['headers'], name: string, value: string): Wire['headers'] {
  return [...withoutHeader(headers, name), [name, value]];
}
