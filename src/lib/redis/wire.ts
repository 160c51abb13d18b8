import { connect as openTls } from 'node:tls';
import { answerWithin } from '../core/bounded.js';
import type { Endpoint } from './address.js';
import { ask } from './probe.js';
import type { TlsMaterial } from './tls-files.js';

/** Both checks run only after a connection failed or was slow, so their time is short. */
const LOOK_MS = 500;
/** TLS 1.3 servers complain about a certificate after our handshake is over. */
const LATE_ALERT_MS = 200;

/** Whether a Redis answers there without TLS; sends no secret. Never throws. */
export async function speaksPlain(node: Endpoint): Promise<boolean> {
  const answer = await ask(node, 'PING', LOOK_MS);
  return answer.kind === 'reply' || answer.kind === 'error';
}

/** Whether a TLS server listens there, even if it rejects us. Never throws. */
export async function speaksTls(node: Endpoint): Promise<boolean> {
  const failure = await shakeHands(node, { rejectUnauthorized: false }, 0);
  if (failure === undefined) return true;
  return /ALERT/.test(failure.code ?? '') && !/WRONG_VERSION/.test(failure.code ?? '');
}

/** Why no TLS connection can be made there; undefined when one can. Never throws. */
export function tlsFailure(
  node: Endpoint,
  material: TlsMaterial,
): Promise<NodeJS.ErrnoException | undefined> {
  return shakeHands(node, material, LATE_ALERT_MS);
}

async function shakeHands(
  { host, port }: Endpoint,
  options: TlsMaterial & { rejectUnauthorized?: boolean },
  lingerMs: number,
): Promise<NodeJS.ErrnoException | undefined> {
  const socket = openTls({ ...options, host, port });
  const late = Object.assign(new Error('no TLS handshake'), { code: 'ERR_TLS_HANDSHAKE_TIMEOUT' });
  const failed = new Promise<NodeJS.ErrnoException>((resolve) => {
    socket.once('error', resolve);
    socket.once('close', () => resolve(late));
  });
  const secure = new Promise<undefined>((resolve) => {
    socket.once('secureConnect', () => resolve(undefined));
  });
  try {
    const failure = await answerWithin(LOOK_MS, Promise.race([secure, failed]), () => late);
    return failure ?? (await answerWithin(lingerMs, failed, () => undefined));
  } finally {
    socket.destroy();
  }
}
