import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useInfer } from '../../support/cli.js';
import { ONE_DIGIT } from '../../support/digits.js';
import { freePort } from '../../support/ports.js';
import { startRedis, type TestRedis } from '../../support/redis.js';
import { type Certificates, hasOpenssl, makeCertificates } from '../../support/tls.js';
import { walkTheRoad } from './road.js';

const openssl = hasOpenssl();
if (!openssl)
  process.stderr.write('tls.test.ts is skipped: there is no openssl to make a certificate with\n');

describe.skipIf(!openssl)('TLS', () => {
  let dir: string;
  let files: Certificates;
  let redis: TestRedis;
  let tlsPort: number;

  beforeAll(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'infer-tls-'));
    files = makeCertificates(dir);
    tlsPort = await freePort();
    redis = await startRedis({
      port: true,
      args: [
        ...['--tls-port', String(tlsPort), '--tls-auth-clients', 'no'],
        ...['--tls-cert-file', files.cert, '--tls-key-file', files.key, '--tls-ca-cert-file', files.ca],
      ],
    });
  });
  afterAll(async () => {
    await redis?.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  const infer = useInfer();
  const url = (scheme: string) => ({ INFER_REDIS_URL: `${scheme}://127.0.0.1:${tlsPort}` });
  const trusted = () => ({ ...url('rediss'), INFER_REDIS_CA_FILE: files.ca });

  it('worker, submit and result work with the authority of the server', async () => {
    const worker = await infer.worker(['-Q', 'realtime,batch'], { env: trusted() });
    expect(worker.stderr).toContain(`rediss://127.0.0.1:${tlsPort}`);
    await walkTheRoad(infer, { producer: trusted() });
    expect(await worker.stop()).toBe(0);
  });

  it.each<[string, () => Record<string, string>, number, string, RegExp]>([
    ['no authority', () => url('rediss'), 69, 'REDIS_TLS', /INFER_REDIS_CA_FILE/],
    ['an authority and redis://', () => ({ ...trusted(), ...url('redis') }), 78, 'REDIS_URL', /rediss:/],
  ])('%s is named', async (_, env, exitCode, code, hint) => {
    const run = await infer.run(['submit', ONE_DIGIT, '--json'], { env: env() });
    expect(run.exitCode, run.stdout).toBe(exitCode);
    expect(run.json()).toMatchObject({ error: { code, hint: expect.stringMatching(hint) } });
  });
});
