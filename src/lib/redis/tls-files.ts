import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { ErrorCode } from '../core/error-table.js';
import { InferError } from '../core/errors.js';
import { readSecretFile } from './secret-file.js';
import type { ConnectionSettings } from './target.js';

/** Material for a TLS connection in the form of Node's `tls.connect`: PEM texts. */
export interface TlsMaterial {
  ca?: string;
  cert?: string;
  key?: string;
  passphrase?: string;
}

const CERTIFICATE = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----/;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;

/**
 * Reads the files of a TLS connection and checks that they match, since Node ignores an unreadable authority
 * and reports a wrong key in OpenSSL's terms.
 * @throws InferError REDIS_CA_FILE, REDIS_CERT_FILE, REDIS_KEY_FILE (78).
 */
export function readTlsFiles(settings: ConnectionSettings): TlsMaterial {
  const { tlsCaFile, tlsCertFile, tlsKeyFile, tlsKeyPassword } = settings;
  const ca = tlsCaFile === undefined ? undefined : readAuthority(tlsCaFile);
  if (tlsCertFile === undefined) {
    if (tlsKeyFile !== undefined) {
      throw bad(
        'REDIS_CERT_FILE',
        'a private key is given without its certificate',
        'set INFER_REDIS_CERT_FILE too',
      );
    }
    return ca === undefined ? {} : { ca };
  }
  const cert = readSecretFile(tlsCertFile, 'REDIS_CERT_FILE', 'client certificate');
  const certificate = parseCertificate(cert, tlsCertFile);
  const key = readKey(cert, tlsCertFile, tlsKeyFile);
  const parsed = parseKey(key, tlsKeyFile ?? tlsCertFile, tlsKeyPassword);
  if (!certificate.checkPrivateKey(parsed)) {
    throw bad(
      'REDIS_KEY_FILE',
      `the private key ${tlsKeyFile ?? tlsCertFile} is not that of the certificate ${tlsCertFile}`,
      'name the pair that was made together; the first certificate of the file counts',
    );
  }
  return {
    ...(ca === undefined ? {} : { ca }),
    cert,
    key,
    ...(tlsKeyPassword === undefined ? {} : { passphrase: tlsKeyPassword }),
  };
}

/** The four are read together: the client requests them one after the other at each connect. */
const SAME_CONNECT_MS = 1000;

/**
 * The same, read again at each connect: a renewed certificate is used for the next connection of a worker
 * that runs for months. While new files do not match each other, the last valid ones are used.
 * @throws InferError as `readTlsFiles`, on this call only.
 */
export function liveTlsFiles(settings: ConnectionSettings): TlsMaterial {
  let material = readTlsFiles(settings);
  let readAt = performance.now();
  const now = (): TlsMaterial => {
    if (performance.now() - readAt < SAME_CONNECT_MS) return material;
    readAt = performance.now();
    try {
      material = readTlsFiles(settings);
    } catch {
      // Half written, or missing for a moment.
    }
    return material;
  };
  const names = Object.keys(material) as (keyof TlsMaterial)[];
  const live = names.map((name) => [name, { enumerable: true, get: () => now()[name] }] as const);
  return Object.defineProperties({}, Object.fromEntries(live));
}

function bad(code: ErrorCode, message: string, hint: string): InferError {
  return new InferError(code, message, { hint });
}

function readAuthority(file: string): string {
  const text = readSecretFile(file, 'REDIS_CA_FILE', 'certificate authority');
  if (CERTIFICATE.test(text)) return text;
  throw bad('REDIS_CA_FILE', `the file ${file} holds no certificate in PEM form`, PEM_HINT);
}

const PEM_HINT =
  'a PEM file has a line -----BEGIN CERTIFICATE-----; `openssl x509 -inform der -in FILE` makes one of a DER file';

function parseCertificate(text: string, file: string): X509Certificate {
  if (!CERTIFICATE.test(text)) {
    throw bad('REDIS_CERT_FILE', `the file ${file} holds no certificate in PEM form`, PEM_HINT);
  }
  try {
    return new X509Certificate(text);
  } catch {
    throw bad(
      'REDIS_CERT_FILE',
      `the certificate in ${file} cannot be read`,
      'write the file again; it may be cut',
    );
  }
}

function readKey(cert: string, certFile: string, keyFile: string | undefined): string {
  if (keyFile === undefined) {
    if (PRIVATE_KEY.test(cert)) return cert;
    throw bad(
      'REDIS_KEY_FILE',
      `a client certificate is given without its private key, which ${certFile} does not hold either`,
      'set INFER_REDIS_KEY_FILE too',
    );
  }
  const key = readSecretFile(keyFile, 'REDIS_KEY_FILE', 'private key');
  if (PRIVATE_KEY.test(key)) return key;
  throw bad(
    'REDIS_KEY_FILE',
    `the file ${keyFile} holds no private key in PEM form`,
    'a PEM file of a key has a line -----BEGIN PRIVATE KEY-----',
  );
}

function parseKey(text: string, file: string, passphrase: string | undefined): KeyObject {
  try {
    return createPrivateKey(passphrase === undefined ? text : { key: text, passphrase });
  } catch (error) {
    const encrypted = /ENCRYPTED/.test(text);
    if (encrypted && passphrase === undefined) {
      throw bad(
        'REDIS_KEY_FILE',
        `the private key ${file} is encrypted`,
        'set INFER_REDIS_KEY_PASSWORD to its password',
      );
    }
    if (encrypted && /bad decrypt|BAD_DECRYPT|bad password/i.test(String(error))) {
      throw bad(
        'REDIS_KEY_FILE',
        `INFER_REDIS_KEY_PASSWORD is not the password of ${file}`,
        'correct the password',
      );
    }
    throw bad(
      'REDIS_KEY_FILE',
      `the private key ${file} cannot be read`,
      'write the file again; it may be cut',
    );
  }
}
