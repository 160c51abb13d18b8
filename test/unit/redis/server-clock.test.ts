import { describe, expect, it, vi } from 'vitest';
import { ServerClock } from '../../../src/lib/redis/server-clock.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';

const hostNow = () => performance.timeOrigin + performance.now();

/** A server whose clock is off by `aheadMs` and whose answers take some time. */
function server(aheadMs: () => number, answer: (time: [string, string]) => Promise<[string, string]>) {
  const ready: (() => void)[] = [];
  const time = vi.fn(() => {
    const ms = hostNow() + aheadMs();
    const seconds = Math.floor(ms / 1000);
    return answer([String(seconds), String(Math.floor((ms - seconds * 1000) * 1000))]);
  });
  const client = { time, on: (_: string, listener: () => void) => ready.push(listener) };
  const clock = new ServerClock(client as unknown as RedisClient);
  const reconnected = () => {
    for (const listener of ready) listener();
  };
  return { clock, time, reconnected };
}

const atOnce = (time: [string, string]) => Promise.resolve(time);

describe('the clock of a server', () => {
  it.each([3_600_000, -3_600_000, 2500])('that is %d ms ahead of this host', async (ahead) => {
    const { clock } = server(() => ahead, atOnce);
    expect(Math.abs((await clock.settled()) - hostNow() - ahead)).toBeLessThan(100);
    expect(Math.abs(clock.aheadMs() + ahead)).toBeLessThan(100);
    expect(Number.isInteger(clock.now())).toBe(true);
  });

  it('is this host’s own where the two cannot be told apart', async () => {
    const { clock } = server(
      () => 0,
      async (time) => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        return time;
      },
    );
    await clock.settled();
    expect(Math.abs(clock.now() - hostNow())).toBeLessThanOrEqual(2);
    expect(Math.abs(clock.aheadMs())).toBeLessThanOrEqual(5);
  });

  it('is asked once by many, and again after a reconnect', async () => {
    let ahead = 60_000;
    const { clock, time, reconnected } = server(() => ahead, atOnce);
    await Promise.all([clock.settled(), clock.settled(), clock.settled()]);
    clock.now();
    expect(time).toHaveBeenCalledTimes(1);
    // The replica that took over lives in another time.
    ahead = -60_000;
    reconnected();
    clock.now();
    await vi.waitFor(() => expect(Math.abs(clock.now() - hostNow() + 60_000)).toBeLessThan(100));
    expect(time).toHaveBeenCalledTimes(2);
  });

  it('is this host’s where the user may not ask', async () => {
    const { clock } = server(
      () => 60_000,
      () => Promise.reject(new Error("NOPERM User x has no permissions to run the 'time' command")),
    );
    expect(Math.abs((await clock.settled()) - hostNow())).toBeLessThan(100);
  });

  it('fails as any command where Redis is away, and is asked again then', async () => {
    let away = true;
    const { clock } = server(
      () => 60_000,
      (time) => (away ? Promise.reject(new Error('Connection is closed.')) : Promise.resolve(time)),
    );
    await expect(clock.settled()).rejects.toThrow('Connection is closed.');
    away = false;
    expect(Math.abs((await clock.settled()) - hostNow() - 60_000)).toBeLessThan(100);
  });
});
