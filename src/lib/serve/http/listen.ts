import { type AddressInfo, isIP } from 'node:net';
import { settledWithin } from '../../core/bounded.js';
import { InferError, messageOf } from '../../core/errors.js';
import { freePortNear, portHolderText } from '../../core/port-holder.js';
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
 * @param portFlag the flag that sets the port, for the errors
 * @throws InferError PORT_IN_USE (69), PORT_PERMISSION (77), PORT (2), naming the flag that fixes it.
 */
export async function listen(
  app: App,
  {
    host,
    port,
    secure = false,
    portFlag = '--port',
  }: { host: string; port: number; secure?: boolean; portFlag?: string },
): Promise<Listening> {
  try {
    await app.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port });
  } catch (error) {
    await app.close().catch(() => undefined);
    throw await explainListen(error, host, port, portFlag);
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

async function explainListen(
  error: unknown,
  host: string,
  port: number,
  portFlag: string,
): Promise<InferError> {
  const { code } = error as NodeJS.ErrnoException;
  const at = `${urlHost(host)}:${port}`;
  if (code === 'EADDRINUSE') return portInUse(host, port, portFlag, error);
  if (code === 'EACCES' || code === 'EPERM') {
    return new InferError('PORT_PERMISSION', `this user may not listen on ${at}`, {
      hint: `give a port above 1023, such as ${portFlag} 9464`,
      cause: error,
    });
  }
  return new InferError('PORT', `cannot listen on ${at}: ${code ?? messageOf(error)}`, {
    hint: 'give an address of this machine, such as --host 127.0.0.1 or --host 0.0.0.0',
    cause: error,
  });
}

/** Names the program that has the port, if this user may know it, and a port that is free. */
export async function portInUse(
  host: string,
  port: number,
  portFlag: string,
  cause?: unknown,
): Promise<InferError> {
  const [holder, free] = await Promise.all([portHolderText(port), freePortNear(host, port)]);
  const who = holder === undefined ? '' : `: ${holder}`;
  return new InferError('PORT_IN_USE', `another program already listens on ${urlHost(host)}:${port}${who}`, {
    hint: `give another port, such as ${portFlag} ${free}`,
    cause,
  });
}
