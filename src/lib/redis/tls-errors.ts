import { messageOf, type OwnFailure } from '../core/errors.js';
import { printable } from '../core/job.js';

const TLS_CODE =
  /^(EPROTO|ERR_SSL_|ERR_TLS_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(VERIFY|GET|DECRYPT|DECODE)|HOSTNAME_MISMATCH)/;

/** True for errors of a handshake or a certificate, on our side or the server's. */
export function isTlsCode(code: string): boolean {
  return TLS_CODE.test(code);
}

interface TlsRule {
  /** Tested against the error's code, then its message. */
  match: RegExp;
  message: string;
  hint: string;
}

const CLIENT_CERTIFICATE =
  'name it in INFER_REDIS_CERT_FILE and its private key in INFER_REDIS_KEY_FILE (PEM files)';
const TRUST = 'give the authority that signed the certificate in INFER_REDIS_CA_FILE (a PEM file)';
const SERVER_SIDE = "the server's tls-ca-cert-file must hold the authority that signed INFER_REDIS_CERT_FILE";

/** A TLS 1.2 server only says "handshake failure" when a client certificate is missing. */
const WITHOUT_CERTIFICATE: readonly TlsRule[] = [
  {
    match: /certificate.required|alert number 116\b/i,
    message: 'Redis at {at} asks for a client certificate',
    hint: CLIENT_CERTIFICATE,
  },
  {
    match: /handshake.failure|alert number 40\b/i,
    message: 'Redis at {at} ended the TLS handshake, most often because it asks for a client certificate',
    hint: CLIENT_CERTIFICATE,
  },
];

const ANY: readonly TlsRule[] = [
  {
    match: /wrong.version.number|packet.length.too.long/i,
    message: '{at} does not speak TLS',
    hint: '{plain}',
  },
  {
    match: /alert.certificate.expired|alert number 45\b/i,
    message: 'Redis at {at} refused the client certificate: it has expired',
    hint: 'renew the certificate that INFER_REDIS_CERT_FILE names',
  },
  {
    match: /alert.certificate.revoked|alert number 44\b/i,
    message: 'Redis at {at} refused the client certificate: it was revoked',
    hint: 'renew the certificate that INFER_REDIS_CERT_FILE names',
  },
  {
    match: /alert.unknown.ca|alert number 48\b/i,
    message: 'Redis at {at} refused the client certificate: its authority is not trusted there',
    hint: SERVER_SIDE,
  },
  {
    match:
      /alert.(?:bad|unsupported).certificate|alert.certificate.(?:unknown|required)|alert number (?:42|43|46|116)\b/i,
    message: 'Redis at {at} refused the client certificate',
    hint: SERVER_SIDE,
  },
  {
    match:
      /protocol.version|unsupported.protocol|no.protocols.available|no.shared.cipher|handshake.failure|alert number (?:40|70|71)\b/i,
    message: 'Redis at {at} and this client have no TLS version and cipher in common',
    hint: 'allow TLSv1.2 or TLSv1.3 in tls-protocols of the server',
  },
  {
    match: /^CERT_HAS_EXPIRED$/,
    message: 'the certificate of Redis at {at} has expired',
    hint: 'renew it on the server, and check the clock of this machine',
  },
  {
    match: /^CERT_NOT_YET_VALID$/,
    message: 'the certificate of Redis at {at} is not valid yet',
    hint: 'check the clock of this machine and of the one that made the certificate',
  },
  {
    match: /^ERR_TLS_CERT_ALTNAME_INVALID$|^HOSTNAME_MISMATCH$/,
    message: 'the certificate of Redis at {at} is for another host name{names}',
    hint: 'use a name or address that the certificate has',
  },
  {
    match: /^(?:DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/,
    message: 'no secure connection to Redis at {at}: its certificate is not trusted',
    hint: `${TRUST}, and use the host name that it names`,
  },
  {
    match: /^ERR_TLS_HANDSHAKE_TIMEOUT$/,
    message: '{at} does not answer the TLS handshake',
    hint: 'check that the port is a TLS port of Redis, and that the server is neither stopped nor busy',
  },
];

/**
 * Describes a TLS failure.
 * @param at the address, without its scheme.
 * @param plain the address in its form without TLS: `redis://host:6379`.
 * @param withCertificate whether a client certificate was configured.
 */
export function describeTls(error: unknown, at: string, plain: string, withCertificate: boolean): OwnFailure {
  const code = error instanceof Error ? String((error as NodeJS.ErrnoException).code ?? '') : '';
  const text = messageOf(error);
  const rules = withCertificate ? ANY : [...WITHOUT_CERTIFICATE, ...ANY];
  const known = rules.find(({ match }) => match.test(code) || match.test(text));
  const { message, hint } = known ?? {
    message: `no secure connection to Redis at {at}: ${code}`,
    hint: `${TRUST}, and use the host name that it names`,
  };
  return {
    code: 'REDIS_TLS',
    message: message.replace('{at}', at).replace('{names}', namesOf(error)),
    hint: hint.replace('{plain}', `write ${plain}`),
  };
}

/** TLS was used on a plain port, or no TLS on a TLS port: what to write instead. */
export function wrongScheme(at: string, isTls: boolean, instead: string): OwnFailure {
  return {
    code: 'REDIS_TLS',
    message: isTls
      ? `${at} is a TLS port, and the address asks for a connection without TLS`
      : `${at} does not speak TLS`,
    hint: `write ${instead}`,
  };
}

function namesOf(error: unknown): string {
  const names: unknown = (error as { cert?: { subjectaltname?: unknown } }).cert?.subjectaltname;
  return typeof names === 'string' && names !== '' ? ` (${printable(names).slice(0, 100)})` : '';
}
