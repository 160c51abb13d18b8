import { lookup as lookupHost } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { badInput, type InferError } from '../../core/errors.js';
import { printable } from '../../core/job.js';

/** Where an address may lead: `any` for what a user typed, who may reach what his machine can; else public networks only. */
export type Reach = 'any' | 'public';

const ADDRESS = /^https?:\/\//i;
/** Ports of public servers. */
const PORTS = new Set(['', '443', '8443']);
const SHOWN_MAX = 200;

/** Whether a word or a value of a row is an address, and no path. */
export function isAddress(text: string): boolean {
  return ADDRESS.test(text);
}

/** An address for messages and results: without its query, which may contain a signature. */
export function shownAddress({ protocol, host, pathname }: URL): string {
  return shownText(`${protocol}//${host}${pathname}`);
}

/** What is no valid address, without what may be a password or a signature in it. */
function shownInvalid(text: string): string {
  return shownText(text.replace(/[?#].*$/s, '').replace(/\/\/.*@/s, '//'));
}

function shownText(text: string): string {
  return printable(text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}...` : text);
}

/** @throws InferError INPUT_ADDRESS */
export function parseAddress(text: string): URL {
  if (!URL.canParse(text))
    throw refused(shownInvalid(text), 'is not a valid address', 'write it as https://host/path');
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') {
    // Not shown: it has a password.
    throw refused(shownAddress(url), 'has a user name or password in it', 'use an address with a signature');
  }
  return url;
}

/** @throws InferError INPUT_ADDRESS for an address that may not be fetched. */
export function checkReach(url: URL, reach: Reach): void {
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw refused(
      shownAddress(url),
      'is neither https nor http',
      'give an address that begins with https://',
    );
  if (reach === 'any') return;
  if (url.protocol !== 'https:') throw refused(shownAddress(url), 'is not encrypted', 'use https://');
  if (!PORTS.has(url.port))
    throw refused(shownAddress(url), `has port ${url.port}`, 'use port 443 or 8443, or download it first');
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0 && !isPublic(host)) throw notPublic(host);
}

/** The part of IPv6 from which public addresses are assigned; `ipaddr.js` calls all that it does not know unicast. */
const GLOBAL_V6 = ipaddr.parseCIDR('2000::/3');

/** Whether an IP address is one of the public Internet: not private, of this machine, of the link, or reserved. */
export function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  return parsed.range() === 'unicast' && (parsed.kind() === 'ipv4' || parsed.match(GLOBAL_V6));
}

/** Resolves names, and refuses those that lead into a private network, at the moment of connecting. */
export const publicLookup: LookupFunction = (host, options, done) => {
  lookupHost(host, { ...options, all: true }, (error, found) => {
    const first = found?.[0];
    if (error !== null || first === undefined) {
      done(error ?? Object.assign(new Error('no address'), { code: 'ENOTFOUND' }), '');
      return;
    }
    if (!found.every(({ address }) => isPublic(address))) done(notPublic(host), '');
    else if (options.all === true) done(null, found);
    else done(null, first.address, first.family);
  });
};

function notPublic(host: string): InferError {
  return refused(printable(host), 'is in a private network', 'download the file first, and name it');
}

function refused(what: string, why: string, hint: string): InferError {
  return badInput('INPUT_ADDRESS', `${what} ${why}`, { hint });
}
