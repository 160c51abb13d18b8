import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { closeClient, connect } from '../../../src/lib/redis/connect.js';
import type { RedisNode } from '../../../src/lib/redis/types.js';
import { useInfer } from '../../support/cli.js';
import { ONE_DIGIT } from '../../support/digits.js';
import { freePort } from '../../support/ports.js';
import { startRedis, type TestRedis } from '../../support/redis.js';
import { type Certificates, hasOpenssl, KEY_PASSWORD, makeCertificates } from '../../support/tls.js';
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

  it("works for worker, submit and result with the server's CA", async () => {
    const worker = await infer.worker(['-Q', 'realtime,batch'], { env: trusted() });
    expect(worker.stderr).toContain(`rediss://127.0.0.1:${tlsPort}`);
    await walkTheRoad(infer, { producer: trusted() });
    expect(await worker.stop()).toBe(0);
  });

  it.each<[string, () => Record<string, string>, number, string, RegExp]>([
    ['no authority', () => url('rediss'), 69, 'REDIS_TLS', /INFER_REDIS_CA_FILE/],
    ['redis:// to a TLS port', () => url('redis'), 69, 'REDIS_TLS', /^write rediss:\/\/127/],
    ['redis-cluster:// to a TLS port', () => url('redis-cluster'), 69, 'REDIS_TLS', /^write rediss-cluster:/],
    [
      'rediss:// to a plain port',
      () => ({ ...trusted(), INFER_REDIS_URL: `rediss://127.0.0.1:${redis.port}` }),
      69,
      'REDIS_TLS',
      /^write redis:\/\/127/,
    ],
    [
      'an authority that is no PEM file',
      () => ({ ...url('rediss'), INFER_REDIS_CA_FILE: files.key }),
      78,
      'REDIS_CA_FILE',
      /BEGIN CERT/,
    ],
    ['an authority and redis://', () => ({ ...trusted(), ...url('redis') }), 78, 'REDIS_URL', /rediss:/],
  ])('reports %s', async (_, env, exitCode, code, hint) => {
    const run = await infer.run(['submit', ONE_DIGIT, '--json'], { env: env() });
    expect(run.exitCode, run.stdout).toBe(exitCode);
    expect(run.json()).toMatchObject({ error: { code, hint: expect.stringMatching(hint) } });
  });
});

describe.skipIf(!openssl)('TLS with client certificates', () => {
  let dir: string;
  let files: Certificates;
  let redis: TestRedis;
  let tlsPort: number;

  beforeAll(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'infer-mtls-'));
    files = makeCertificates(dir);
    tlsPort = await freePort();
    redis = await startRedis({
      port: true,
      args: [
        ...['--tls-port', String(tlsPort), '--tls-auth-clients', 'yes'],
        ...['--tls-cert-file', files.cert, '--tls-key-file', files.key, '--tls-ca-cert-file', files.ca],
      ],
    });
  });
  afterAll(async () => {
    await redis?.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  const infer = useInfer();
  const here = () => ({ INFER_REDIS_URL: `rediss://127.0.0.1:${tlsPort}`, INFER_REDIS_CA_FILE: files.ca });
  const known = () => ({
    ...here(),
    INFER_REDIS_CERT_FILE: files.clientCert,
    INFER_REDIS_KEY_FILE: files.clientKey,
  });

  it('works for worker, submit and result, also for the separate results Redis', async () => {
    const env = { ...known(), INFER_RESULT_URL: `rediss://127.0.0.1:${tlsPort}/1` };
    const worker = await infer.worker(['-Q', 'realtime,batch'], { env });
    await walkTheRoad(infer, { producer: env });
    expect(await worker.stop()).toBe(0);
  });

  it('reports the wrong scheme at once to a worker that waits for its Redis', async () => {
    const env = { INFER_REDIS_URL: `redis://127.0.0.1:${tlsPort}` };
    const run = await infer.run(['worker', '-m', 'digits'], { env });
    expect(run.exitCode, run.stderr).toBe(69);
    expect(run.stderr).toMatch(/is a TLS port/);
    expect(run.stderr).toContain(`write rediss://127.0.0.1:${tlsPort}`);
  });

  it('applies the files to whichever of two servers speaks TLS', async () => {
    const plain = `redis://127.0.0.1:${redis.port}`;
    const tls = `rediss://127.0.0.1:${tlsPort}`;
    for (const [broker, results] of [
      [plain, tls],
      [tls, plain],
    ] as const) {
      const env = { ...known(), INFER_REDIS_URL: broker, INFER_RESULT_URL: results };
      const run = await infer.run(['submit', ONE_DIGIT, '--json'], { env });
      expect(run.exitCode, run.stderr + run.stdout).toBe(0);
    }
  });

  it.each<[string, () => Record<string, string>]>([
    ['a key in the file of the certificate', () => ({ INFER_REDIS_CERT_FILE: files.clientBoth })],
    [
      'an encrypted key',
      () => ({
        INFER_REDIS_CERT_FILE: files.clientCert,
        INFER_REDIS_KEY_FILE: files.encryptedKey,
        INFER_REDIS_KEY_PASSWORD: KEY_PASSWORD,
      }),
    ],
  ])('accepts %s', async (_, env) => {
    const run = await infer.run(['inspect', 'queues', '--json'], { env: { ...here(), ...env() } });
    expect(run.exitCode, run.stdout + run.stderr).toBe(0);
  });

  it('uses a renewed certificate for the next connection of an open client', async () => {
    const [cert, key] = [path.join(dir, 'live.pem'), path.join(dir, 'live.key')];
    const put = (from: string, fromKey: string): void => {
      copyFileSync(from, cert);
      copyFileSync(fromKey, key);
    };
    put(files.clientCert, files.clientKey);
    const label = `rediss://127.0.0.1:${tlsPort}`;
    const target = { url: label, label, source: 'flag' as const };
    const client = (await connect(
      target,
      'worker',
      redis.settings({ tlsCaFile: files.ca, tlsCertFile: cert, tlsKeyFile: key }),
    )) as RedisNode;
    const shown = () => Object.assign({}, client.options.tls) as { cert: string };
    const aSecond = () => vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 5000);
    try {
      put(files.strangerCert, files.clientKey);
      aSecond();
      expect(shown().cert).toBe(readFileSync(files.clientCert, 'utf8'));
      put(files.strangerCert, files.strangerKey);
      aSecond();
      expect(shown().cert).toBe(readFileSync(files.strangerCert, 'utf8'));
    } finally {
      vi.restoreAllMocks();
      await closeClient(client);
    }
  });

  const pair = (cert: string, key: string) => ({ INFER_REDIS_CERT_FILE: cert, INFER_REDIS_KEY_FILE: key });
  it.each<[string, () => Record<string, string>, number, string, RegExp]>([
    ['none', () => ({}), 69, 'REDIS_TLS', /asks for a client certificate.*INFER_REDIS_CERT_FILE/s],
    [
      'one of another authority',
      () => pair(files.strangerCert, files.strangerKey),
      69,
      'REDIS_TLS',
      /refused the client certificate: its authority is not trusted.*tls-ca-cert-file/s,
    ],
    [
      'no key',
      () => ({ INFER_REDIS_CERT_FILE: files.clientCert }),
      78,
      'REDIS_KEY_FILE',
      /INFER_REDIS_KEY_FILE/,
    ],
    [
      'no certificate',
      () => ({ INFER_REDIS_KEY_FILE: files.clientKey }),
      78,
      'REDIS_CERT_FILE',
      /INFER_REDIS_CERT_FILE/,
    ],
    [
      'the key of another',
      () => pair(files.clientCert, files.strangerKey),
      78,
      'REDIS_KEY_FILE',
      /is not that of/,
    ],
    [
      'a file that is not there',
      () => pair('/nowhere/x.pem', files.clientKey),
      78,
      'REDIS_CERT_FILE',
      /no such file/,
    ],
    [
      'a key as certificate',
      () => pair(files.clientKey, files.clientKey),
      78,
      'REDIS_CERT_FILE',
      /no certificate in PEM/,
    ],
    [
      'a certificate as key',
      () => pair(files.clientCert, files.clientCert),
      78,
      'REDIS_KEY_FILE',
      /no private key in PEM/,
    ],
    [
      'an encrypted key',
      () => pair(files.clientCert, files.encryptedKey),
      78,
      'REDIS_KEY_FILE',
      /INFER_REDIS_KEY_PASSWORD/,
    ],
    [
      'the wrong password of the key',
      () => ({ ...pair(files.clientCert, files.encryptedKey), INFER_REDIS_KEY_PASSWORD: 's3cret' }),
      78,
      'REDIS_KEY_FILE',
      /is not the password of/,
    ],
  ])('explains %s', async (_, env, exitCode, code, text) => {
    const run = await infer.run(['inspect', 'queues', '--json'], { env: { ...here(), ...env() } });
    expect(run.exitCode, run.stdout).toBe(exitCode);
    const { error } = run.json() as { error: { code: string; message: string; hint: string } };
    expect(error.code).toBe(code);
    expect(`${error.message} ${error.hint}`).toMatch(text);
    expect(run.stdout).not.toContain('s3cret');
  });
});
