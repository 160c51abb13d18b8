import { connect as openTls } from 'node:tls';
import type { Endpoint } from './address.js';
import { ask } from './probe.js';
import type { TlsMaterial } from './tls-files.js';

/** Both are asked only after a connection failed or was slow, so their time is short. */
const LOOK_MS = 500;
/** TLS 1.3 servers complain about a certificate after our handshake is over. */
const LATE_ALERT_MS = 200;

/** Whether a Redis answers there without TLS; sends no secret. Never throws. */
export async function speaksPlain(node: Endpoint): Promise<boolean> {
  const answer = await ask(node, 'PING', LOOK_MS);
  return answer.kind === 'reply' || answer.kind === 'error';
}

/** Whether a TLS server listens there, whatever it thinks of us. Never throws. */
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

function shakeHands(
  { host, port }: Endpoint,
  options: TlsMaterial & { rejectUnauthorized?: boolean },
  lingerMs: number,
): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const socket = openTls({ ...options, host, port });
    const finish = (error?: NodeJS.ErrnoException): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(error);
    };
    const late = Object.assign(new Error('no TLS handshake'), { code: 'ERR_TLS_HANDSHAKE_TIMEOUT' });
    let timer = setTimeout(() => finish(late), LOOK_MS);
    socket.once('secureConnect', () => {
      clearTimeout(timer);
      timer = setTimeout(() => finish(), lingerMs);
    });
    socket.once('error', finish);
    socket.once('close', () => finish(late));
  });
}
