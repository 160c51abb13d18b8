import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';

export interface Certificates {
  /** PEM files: the authority, and the server's certificate and key. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Whether `openssl` can be run; node:crypto makes keys but no certificates. */
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

/** A throw-away authority and a certificate for 127.0.0.1 that it signed, valid for a day. */
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
  return { ca: at('ca.pem'), cert: at('server.pem'), key: at('server.key') };
}
