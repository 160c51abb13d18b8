import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';

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
