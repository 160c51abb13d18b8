import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export interface Certificates {
  /** PEM files: the CA, and the server's certificate and key. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** A client's certificate by the same CA and its key, that key under `KEY_PASSWORD`, and both in one file. */
  readonly clientCert: string;
  readonly clientKey: string;
  readonly encryptedKey: string;
  readonly clientBoth: string;
  /** A client's certificate by a CA unknown to the server, and its key. */
  readonly strangerCert: string;
  readonly strangerKey: string;
}

export const KEY_PASSWORD = 'p@ss word';

/** Whether `openssl` is available; node:crypto makes keys but no certificates. */
export function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const CONFIG = `[req]
distinguished_name = dn
prompt = no
[dn]
CN = infer test
[ca]
basicConstraints = critical, CA:true
keyUsage = keyCertSign
[server]
subjectAltName = IP:127.0.0.1, DNS:localhost
`;

/** A temporary CA and a certificate for 127.0.0.1 that it signed, valid for a day. */
export function makeCertificates(dir: string): Certificates {
  const at = (name: string): string => path.join(dir, name);
  const openssl = (command: string, ...more: string[]): void => {
    execFileSync('openssl', [...command.split(' '), ...more], { cwd: dir, stdio: 'pipe' });
  };
  writeFileSync(at('openssl.cnf'), CONFIG);
  const newKey = 'req -config openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes';
  openssl(`${newKey} -x509 -days 1 -extensions ca -keyout ca.key -out ca.pem`);
  openssl(`${newKey} -keyout server.key -out server.csr`, '-subj', '/CN=infer test server');
  openssl(
    'x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 ' +
      '-extfile openssl.cnf -extensions server -out server.pem',
  );
  openssl(`${newKey} -keyout client.key -out client.csr`, '-subj', '/CN=infer test client');
  openssl('x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 -out client.pem');
  openssl(
    'pkcs8 -topk8 -v2 aes-256-cbc -in client.key -out encrypted.key',
    '-passout',
    `pass:${KEY_PASSWORD}`,
  );
  writeFileSync(
    at('both.pem'),
    readFileSync(at('client.pem'), 'utf8') + readFileSync(at('client.key'), 'utf8'),
  );
  openssl(`${newKey} -x509 -days 1 -keyout stranger.key -out stranger.pem`);
  return {
    ca: at('ca.pem'),
    cert: at('server.pem'),
    key: at('server.key'),
    clientCert: at('client.pem'),
    clientKey: at('client.key'),
    encryptedKey: at('encrypted.key'),
    clientBoth: at('both.pem'),
    strangerCert: at('stranger.pem'),
    strangerKey: at('stranger.key'),
  };
}
