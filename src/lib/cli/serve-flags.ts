import { Flags } from '@oclif/core';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { formatBytes } from '../core/units.js';
import { SEVERAL, wholeFlag } from './flags.js';

/** Where a server listens, and the names by which it is called. @param port default port */
export const addressFlags = (port: number) => ({
  host: Flags.string({
    helpValue: '<address>',
    default: '127.0.0.1',
    description: 'address to listen on; 0.0.0.0 for all',
  }),
  port: wholeFlag({
    min: 0,
    max: 65_535,
    default: port,
    description: 'port to listen on; 0 selects a free one',
  }),
  'base-path': Flags.string({
    helpValue: '<path>',
    description: 'prefix of all addresses, such as /infer',
  }),
  'server-name': Flags.string({
    ...SEVERAL,
    helpValue: '<name>',
    description: 'host name that callers use, such as infer.example.com; repeat for more',
  }),
});

const HOST_NAME = /^(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;
const BASE_PATH = /^(?:\/[A-Za-z0-9._~-]+)+$/;

/** Without a trailing slash; '' for none. @throws InferError USAGE (2). */
export function checkBasePath(path: string | undefined): string {
  const trimmed = (path ?? '').replace(/\/+$/, '');
  if (trimmed === '' || BASE_PATH.test(trimmed)) return trimmed;
  throw new InferError('USAGE', `--base-path: '${printable(trimmed)}' is not a path such as /infer`, {
    hint: '--base-path /infer',
  });
}

/** @throws InferError USAGE (2). */
export function checkHostName(name: string): string {
  if (HOST_NAME.test(name)) return name;
  throw new InferError('USAGE', `--server-name: '${printable(name)}' is not a host name`, {
    hint: '--server-name infer.example.com, without a scheme or port',
  });
}

/** An origin as browsers send it: without a path, in lower case. @throws InferError USAGE (2). */
export function checkOrigin(text: string): string {
  if (text === '*') return text;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && url.origin !== 'null' && `${url.origin}/` === url.href) return url.origin;
  throw new InferError('USAGE', `--cors: '${printable(text)}' is not an origin`, {
    hint: '--cors https://app.example.com, without a path',
  });
}

/** The certificate and its key as files; undefined without HTTPS. The flags require each other. */
export function tlsFiles(flags: {
  'tls-cert'?: string | undefined;
  'tls-key'?: string | undefined;
}): { cert: string; key: string } | undefined {
  const { 'tls-cert': cert, 'tls-key': key } = flags;
  return cert === undefined || key === undefined ? undefined : { cert, key };
}

const BODY_BYTES = 64 * 1024 ** 2;
/** By default as large as the largest body: room for a dozen uploads of 5 MB. */
const BODIES_BYTES = 64 * 1024 ** 2;
const WAIT_MS = 60_000;
/** Of the 10,000 connections of a gateway; the rest are for requests that do not wait. */
const MOST_OPEN = 8000;

/** Flags of `infer serve` that set limits. */
interface LimitFlags {
  'max-body'?: number | undefined;
  'max-bodies'?: number | undefined;
  'max-wait'?: number | undefined;
  'max-waiting'?: number | undefined;
  'max-open'?: number | undefined;
}

/**
 * The limits of a gateway, with their defaults.
 * @throws InferError USAGE (2) if the largest body would never fit.
 */
export function gatewayLimits(flags: LimitFlags) {
  const maxBody = flags['max-body'] ?? BODY_BYTES;
  const maxBodies = flags['max-bodies'] ?? Math.max(BODIES_BYTES, maxBody);
  if (maxBodies < maxBody) {
    const [all, one] = [formatBytes(maxBodies), formatBytes(maxBody)];
    throw new InferError('USAGE', `--max-bodies ${all} has no room for a body of ${one} (--max-body)`, {
      hint: `--max-bodies ${maxBodies} --max-body ${maxBodies}`,
    });
  }
  return {
    maxBody,
    maxBodies,
    maxWaitMs: flags['max-wait'] ?? WAIT_MS,
    maxWaiting: flags['max-waiting'],
    maxOpen: flags['max-open'] ?? MOST_OPEN,
  };
}
