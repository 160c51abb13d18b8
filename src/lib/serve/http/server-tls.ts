import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { InferError } from '../../core/errors.js';

/** PEM texts. */
export interface ServerTls {
  /** The certificate, followed by its chain. */
  cert: string;
  key: string;
}

/**
 * Reads a certificate and its key, and checks that they belong together.
 * @throws InferError SERVE_TLS (78) naming the file.
 */
export function readServerTls(certFile: string, keyFile: string): ServerTls {
  const cert = read(certFile, 'certificate');
  const key = read(keyFile, 'private key');
  const certificate = parsed(() => new X509Certificate(cert), certFile, 'holds no certificate in PEM form');
  const parsedKey = parsed(
    () => createPrivateKey(key),
    keyFile,
    'holds no private key in PEM form without a password',
  );
  if (!certificate.checkPrivateKey(parsedKey)) {
    throw unusable(`the private key ${keyFile} does not belong to the certificate ${certFile}`);
  }
  if (Date.parse(certificate.validTo) < Date.now()) {
    throw unusable(`the certificate ${certFile} was valid until ${certificate.validTo}`);
  }
  return { cert, key };
}

function read(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw unusable(`the ${what} ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function parsed<T>(parse: () => T, file: string, reason: string): T {
  try {
    return parse();
  } catch {
    throw unusable(`the file ${file} ${reason}`);
  }
}

function unusable(message: string): InferError {
  return new InferError('SERVE_TLS', message, {
    hint: 'pass the certificate with --tls-cert and its own private key with --tls-key, both as PEM files',
  });
}
