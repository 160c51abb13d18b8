import { type AddressInfo, isIP } from 'node:net';
import { settledWithin } from '../../core/bounded.js';
import { InferError, messageOf } from '../../core/errors.js';
import type { App } from './app.js';

export interface Listening {
  /** `http://127.0.0.1:9464` */
  readonly url: string;
  readonly port: number;
  /**
   * Accepts no new connections, gives open requests this many milliseconds to end [500], then closes all
   * connections.
   */
  close(graceMs?: number): Promise<void>;
}

const GRACE_MS = 500;

/**
 * Begins to listen; port 0 takes any free one. `localhost` is 127.0.0.1: for that name Fastify would make a
 * second server for ::1, without the limits and the errors of the first, and a resolver could say that it is
 * another address.
 * @throws InferError PORT_IN_USE (69), PORT_PERMISSION (77), PORT (2), naming the flag that fixes it.
 */
export async function listen(
  app: App,
  { host, port, secure = false }: { host: string; port: number; secure?: boolean },
): Promise<Listening> {
  try {
    await app.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port });
  } catch (error) {
    await app.close().catch(() => undefined);
    throw explainListen(error, host, port);
  }
  const found = (app.server.address() as AddressInfo).port;
  let closing: Promise<void> | undefined;
  return {
    url: `http${secure ? 's' : ''}://${urlHost(reachable(host))}:${found}`,
    port: found,
    close: (graceMs = GRACE_MS) => {
      closing ??= close(app, graceMs);
      return closing;
    },
  };
}

async function close(app: App, graceMs: number): Promise<void> {
  const closed = app.close();
  if (!(await settledWithin(graceMs, closed))) app.server.closeAllConnections();
  await closed;
}

/** A local address of the server, if it listens on all addresses. */
function reachable(host: string): string {
  return host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  // A name such as 127.0.0.1.example.com leads wherever a resolver says.
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function explainListen(error: unknown, host: string, port: number): InferError {
  const { code } = error as NodeJS.ErrnoException;
  const at = `${urlHost(host)}:${port}`;
  if (code === 'EADDRINUSE') {
    return new InferError('PORT_IN_USE', `another program already listens on ${at}`, {
      hint: `give another port, such as --port ${port < 65_535 ? port + 1 : port - 1}`,
      cause: error,
    });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new InferError('PORT_PERMISSION', `this user may not listen on ${at}`, {
      hint: 'give a port above 1023, such as --port 9464',
      cause: error,
    });
  }
  return new InferError('PORT', `cannot listen on ${at}: ${code ?? messageOf(error)}`, {
    hint: 'give an address of this machine, such as --host 127.0.0.1 or --host 0.0.0.0',
    cause: error,
  });
}
