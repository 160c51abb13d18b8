import { describe, expect, it, vi } from 'vitest';
import { type HostClocks, ServerClock } from '../../../src/lib/redis/server-clock.js';
import type { RedisClient } from '../../../src/lib/redis/types.js';

const hostNow = () => performance.timeOrigin + performance.now();

/** A server whose clock is off by `aheadMs` and whose answers take some time. */
function server(aheadMs: () => number, answer: (time: [string, string]) => Promise<[string, string]>) {
  const time = vi.fn(() => {
    const ms = hostNow() + aheadMs();
    const seconds = Math.floor(ms / 1000);
    return answer([String(seconds), String(Math.floor((ms - seconds * 1000) * 1000))]);
  });
  const clock = new ServerClock({ time, on: () => undefined } as unknown as RedisClient);
  return { clock, time };
}

/** A host and a server, initially at the same time, whose clocks a test moves. */
function hostAndServer() {
  const at = { wall: 1e12, steady: 1e12, uptime: 5000, there: 1e12 };
  const host: HostClocks = { wall: () => at.wall, steady: () => at.steady, uptime: () => at.uptime };
  let answers = true;
  const time = vi.fn(() => {
    const asked = [String(Math.floor(at.there / 1000)), String((at.there % 1000) * 1000)] as [string, string];
    return answers ? Promise.resolve(asked) : new Promise<never>(() => undefined);
  });
  const ready: (() => void)[] = [];
  const client = { time, on: (_: string, listener: () => void) => ready.push(listener) };
  const clock = new ServerClock(client as unknown as RedisClient, host);
  const reconnected = () => {
    for (const listener of ready) listener();
  };
  const move = (ms: number, ...names: (keyof typeof at)[]) => {
    for (const name of names) at[name] += ms;
  };
  const silence = () => {
    answers = false;
  };
  return { at, clock, time, move, silence, reconnected };
}

const atOnce = (time: [string, string]) => Promise.resolve(time);

describe('the server clock', () => {
  it.each([3_600_000, -3_600_000, 2500])('is measured as %d ms ahead of this host', async (ahead) => {
    const { clock } = server(() => ahead, atOnce);
    expect(Math.abs((await clock.settled()) - hostNow() - ahead)).toBeLessThan(100);
    expect(Math.abs(clock.aheadMs() + ahead)).toBeLessThan(100);
    expect(Number.isInteger(clock.now())).toBe(true);
  });

  it("is this host's clock where the two cannot be distinguished", async () => {
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

  it('is read once for many callers, and again after a reconnect', async () => {
    const { at, clock, time, move, reconnected } = hostAndServer();
    move(60_000, 'there');
    await Promise.all([clock.settled(), clock.settled(), clock.settled()]);
    clock.now();
    expect(time).toHaveBeenCalledTimes(1);
    // The replica that took over has a different clock.
    move(-120_000, 'there');
    reconnected();
    clock.now();
    await vi.waitFor(() => expect(clock.now()).toBe(at.there), 60_000);
    expect(time).toHaveBeenCalledTimes(2);
  });

  it("is this host's clock where the user may not read it", async () => {
    const { clock } = server(
      () => 60_000,
      () => Promise.reject(new Error("NOPERM User x has no permissions to run the 'time' command")),
    );
    expect(Math.abs((await clock.settled()) - hostNow())).toBeLessThan(100);
  });

  it('fails like any command while Redis is unreachable, and is read again afterwards', async () => {
    let away = true;
    const { clock } = server(
      () => 60_000,
      (time) => (away ? Promise.reject(new Error('Connection is closed.')) : Promise.resolve(time)),
    );
    await expect(clock.settled()).rejects.toThrow('Connection is closed.');
    away = false;
    expect(Math.abs((await clock.settled()) - hostNow() - 60_000)).toBeLessThan(100);
  });

  const MINUTE = 60_000;

  it('includes time the host slept at once, even while Redis does not answer', async () => {
    const { at, clock, time, move, silence } = hostAndServer();
    await clock.settled();
    silence();
    move(MINUTE, 'wall', 'uptime', 'there');
    expect(clock.now()).toBe(at.there);
    expect(time).toHaveBeenCalledTimes(2);
    move(5, 'wall', 'steady', 'uptime', 'there');
    expect(clock.now()).toBe(at.there);
  });

  it('is read again after a VM was suspended and its clock was set', async () => {
    const { at, clock, move } = hostAndServer();
    await clock.settled();
    move(MINUTE, 'there');
    // Nothing on the host shows it yet.
    expect(clock.now()).toBe(at.there - MINUTE);
    move(MINUTE, 'wall');
    expect(await clock.settled()).toBe(at.there);
    expect(clock.aheadMs()).toBe(0);
  });

  it("does not move when the host's clock is set", async () => {
    const { at, clock, move } = hostAndServer();
    await clock.settled();
    move(-MINUTE, 'wall');
    expect(clock.now()).toBe(at.there);
    expect(await clock.settled()).toBe(at.there);
    expect(clock.aheadMs()).toBe(-MINUTE);
  });

  it('discards a reading during which the host slept', async () => {
    const { at, clock, time, move } = hostAndServer();
    await clock.settled();
    let answer: (time: [string, string]) => void = () => undefined;
    time.mockImplementationOnce(
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    );
    move(31_000, 'wall', 'steady', 'uptime', 'there');
    clock.now();
    const before = String(at.there / 1000);
    move(MINUTE, 'wall', 'uptime', 'there');
    answer([before, '0']);
    expect(await clock.settled()).toBe(at.there);
    expect(time).toHaveBeenCalledTimes(3);
  });

  it("follows the host's clock where the user may not read it, also when it is set", async () => {
    const { at, clock, time, move } = hostAndServer();
    time.mockImplementation(() => Promise.reject(new Error('NOPERM no')));
    await clock.settled();
    move(MINUTE, 'wall');
    expect(await clock.settled()).toBe(at.wall);
  });
});
