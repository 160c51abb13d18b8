import { createServer, type Socket, connect as tcp } from 'node:net';

export interface OldRedis {
  readonly url: string;
  /** Settings received in CONFIG SET, in order. */
  readonly sets: string[];
  /** Called at each CONFIG SET that reaches the server; it is passed on when this resolves. */
  onSet: (name: string) => Promise<void> | void;
  close(): Promise<void>;
}

/**
 * A server before 7.0 in front of a newer one: CONFIG SET accepts one setting, and answers several as 6.2 does.
 * Everything else passes.
 */
export async function oldRedis(port: number): Promise<OldRedis> {
  const sockets = new Set<Socket>();
  const sets: string[] = [];
  const hook: Pick<OldRedis, 'onSet'> = { onSet: () => undefined };
  const listener = createServer((client) => {
    const server = tcp({ port, host: '127.0.0.1' });
    for (const socket of [client, server]) {
      sockets.add(socket.setNoDelay(true));
      socket.on('error', () => undefined);
      socket.on('close', () => {
        client.destroy();
        server.destroy();
      });
    }
    server.on('data', (piece) => client.write(piece));
    let queue = Promise.resolve();
    client.on('data', (piece) => {
      queue = queue.then(async () => {
        const words = piece
          .toString('latin1')
          .split('\r\n')
          .filter((_, at) => at > 0 && at % 2 === 0);
        const isSet = /^config$/i.test(words[0] ?? '') && /^set$/i.test(words[1] ?? '');
        if (isSet && words.length > 4) {
          client.write(
            "-ERR Unknown subcommand or wrong number of arguments for 'SET'. Try CONFIG HELP.\r\n",
          );
          return;
        }
        if (isSet) {
          sets.push(words[2] ?? '');
          await hook.onSet(words[2] ?? '');
        }
        server.write(piece);
      });
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port: own } = listener.address() as { port: number };
  return Object.assign(hook, {
    url: `redis://127.0.0.1:${own}`,
    sets,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => listener.close(() => resolve()));
    },
  });
}
