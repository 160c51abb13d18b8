import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { FaultyNetwork } from '../../support/proxy.js';
import { useRedis } from '../../support/redis.js';
import { LINES_A_MINUTE, loggedWorker, measured, row, useOutage } from './outage-kit.js';

const redis = useRedis({ port: true });
const outage = useOutage(redis);
const { kit } = outage;
const networks: FaultyNetwork[] = [];

async function newNetwork(): Promise<FaultyNetwork> {
  const network = await FaultyNetwork.open(redis.port as number);
  networks.push(network);
  return network;
}

async function behind(network: FaultyNetwork, queue = 'realtime') {
  const target = { url: network.url, label: network.url, source: 'flag' as const };
  const settings = redis.settings({ url: network.url });
  return loggedWorker(kit, { lockMs: 10_000, queues: [queue] }, { target, settings });
}

afterAll(async () => {
  for (const network of networks) network.pass();
  await kit.stopWorkers();
  await Promise.all(networks.map((network) => network.close()));
});

describe('a worker whose network fails', () => {
  it('commits the run once after a reset, and takes the next job at once', async () => {
    const network = await newNetwork();
    const lines = await behind(network);
    const id = await outage.inFlight();
    network.reset();
    expect(await outage.end(id)).toMatchObject({ state: 'completed', attempts: 1 });
    network.reset();
    const ended = await outage.end(await outage.submit(0));
    expect(ended.state).toBe('completed');
    measured('connections reset, a job after', ended.seconds);
    await outage.clean();
    expect(lines.troubles.length).toBeLessThan(LINES_A_MINUTE);
  });

  it('commits the run once after the network was silent for a while', async () => {
    const network = await newNetwork();
    const lines = await behind(network);
    const id = await outage.inFlight();
    network.silence();
    await delay(2000);
    network.pass();
    const ended = await outage.end(id);
    expect(ended).toMatchObject({ state: 'completed', attempts: 1 });
    measured('black hole of 2 s, the run that was on', ended.seconds);
    await outage.clean();
    expect(lines.troubles.length).toBeLessThan(LINES_A_MINUTE);
  });
});

describe('a network that drops packets silently', () => {
  it('makes a worker detect dead connections, idle ones too', async () => {
    const queue = 'stranded';
    const network = await newNetwork();
    const lines = await behind(network, queue);
    await outage.end(await outage.submit(0, undefined, queue));
    network.strand();
    const ended = await outage.end(await outage.submit(0, undefined, queue));
    expect(ended).toMatchObject({ state: 'completed', attempts: 1 });
    measured('connections dead without a word, a job after', ended.seconds);
    expect(ended.seconds).toBeLessThan(75);
    expect(lines.troubles.length).toBeLessThan(LINES_A_MINUTE);
  });

  it('fails a client within seconds; a submit that arrived all the same is not duplicated', async () => {
    const id = 'sent-into-the-dark';
    const queue = 'dark';
    const network = await newNetwork();
    await kit.worker({ queues: [queue] });
    const from = performance.now();
    await outage.with(async (client) => {
      await client.signatures.find('slow');
      network.deafen();
      const sent = client.submit(row(0), { model: 'slow', id, queue });
      await expect(sent).rejects.toMatchObject({ code: 'REDIS_TIMEOUT', exitCode: 69 });
    }, network.url);
    expect((performance.now() - from) / 1000).toBeLessThan(60);
    expect(await outage.submit(0, id, queue)).toBe(id);
    expect(await outage.end(id)).toMatchObject({ state: 'completed', attempts: 1 });
  });
});
