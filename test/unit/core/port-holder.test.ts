import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import {
  canListen,
  freePortNear,
  isTaken,
  portHolder,
  portHolderText,
  programName,
  socketsOn,
} from '../../../src/lib/core/port-holder.js';

let servers: Server[] = [];

afterEach(async () => {
  await Promise.all(
    servers.map(async (server) => {
      server.close();
      await once(server, 'close');
    }),
  );
  servers = [];
});

async function listen(host: string, port = 0): Promise<number> {
  const server = createServer().listen(port, host);
  servers.push(server);
  await once(server, 'listening');
  return (server.address() as { port: number }).port;
}

describe.skipIf(process.platform !== 'linux')('the holder of a port', () => {
  it.each(['127.0.0.1', '0.0.0.0'])('is found on %s by pid and program', async (host) => {
    const port = await listen(host);
    expect(await portHolder(port)).toMatchObject({ pid: process.pid, name: /^node/ });
    expect(await portHolderText(port)).toMatch(new RegExp(`^node.*, pid ${process.pid}$`));
  });

  it('is none for a port on which nothing listens, also while one is connected', async () => {
    const port = await listen('127.0.0.1');
    const [server] = servers;
    server?.close();
    await once(server as Server, 'close');
    servers = [];
    expect([await portHolder(port), await portHolderText(port)]).toEqual([undefined, undefined]);
  });
});

describe('a table of sockets', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0
   1: 0100007F:1F40 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0
   2: 00000000000000000000000000000000:1F40 00000000000000000000000000000000:0000 0A 0 0 0 0 0 333
   3: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 444 1 0`;

  it('is searched for listening sockets of that port only', () => {
    expect(socketsOn(table, 8000)).toEqual(['socket:[111]', 'socket:[333]']);
    expect(socketsOn(table, 80)).toEqual(['socket:[444]']);
    expect(socketsOn('', 80)).toEqual([]);
  });
});

describe('the name of a program', () => {
  it.each([
    [['/usr/sbin/nginx', '-g', 'daemon off;'], 'nginx'],
    [
      ['nginx: master process /usr/sbin/nginx -g daemon off;'],
      'nginx: master process /usr/sbin/nginx -g daemon off;',
    ],
    [['/usr/bin/node', '--inspect', '/srv/app/server.js', '--password', 'x'], 'node server.js'],
    [['/usr/bin/python3.12', '-m'], 'python3.12'],
    [['redis-server *:6379'], 'redis-server *:6379'],
    [[], ''],
  ])('of %j is %j', (words, name) => {
    expect(programName(words)).toBe(name);
  });
});

describe('a free port near another', () => {
  it('is one on which nothing listens', async () => {
    const port = await listen('127.0.0.1');
    expect(await canListen('127.0.0.1', port)).toBe(false);
    const free = await freePortNear('127.0.0.1', port);
    expect(free).not.toBe(port);
    expect(await canListen('127.0.0.1', free)).toBe(true);
    expect([await isTaken('127.0.0.1', port), await isTaken('127.0.0.1', free)]).toEqual([true, false]);
  });

  it('comes before, at the end of the range', async () => {
    expect(await freePortNear('127.0.0.1', 65_535)).toBeLessThan(65_535);
  });

  it('is not taken on an address of another machine, though nothing can listen there', async () => {
    expect(await canListen('203.0.113.9', 8000)).toBe(false);
    expect(await isTaken('203.0.113.9', 8000)).toBe(false);
  });

  it('is suggested even where none of them is free', async () => {
    expect(await freePortNear('203.0.113.9', 8000)).toBe(8001);
  });
});
