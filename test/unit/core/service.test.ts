import { describe, expect, it } from 'vitest';
import { part, type Service, Services } from '../../../src/lib/core/service.js';

/** Services that record what is done to them; `fails` names what throws, as "start b" or "stop b". */
function noted(names: string, ...fails: string[]): { services: Service[]; said: string[] } {
  const said: string[] = [];
  const note = (what: string) => {
    said.push(what);
    if (fails.includes(what)) throw new Error(what);
  };
  const services = [...names].map((name) => ({
    name,
    start: async () => note(`start ${name}`),
    stop: async () => note(`stop ${name}`),
  }));
  return { services, said };
}

/** A promise and the function that resolves it. */
function gate(): { open: Promise<void>; pass: () => void } {
  let pass: () => void = () => undefined;
  const open = new Promise<void>((resolve) => {
    pass = resolve;
  });
  return { open, pass };
}

describe('services', () => {
  it('start in order and stop in reverse', async () => {
    const { services, said } = noted('abc');
    const all = new Services('all', services);
    await all.start();
    expect(said).toEqual(['start a', 'start b', 'start c']);
    said.length = 0;
    await all.stop();
    expect(said).toEqual(['stop c', 'stop b', 'stop a']);
  });

  it('wait for each other in both directions', async () => {
    const [first, last] = [gate(), gate()];
    const said: string[] = [];
    const slow: Service = { name: 'slow', start: () => first.open, stop: () => last.open };
    const { services } = noted('a');
    const [quick] = services as [Service];
    const all = new Services('all', [
      { ...quick, stop: async () => void said.push('a is stopped') },
      slow,
      { ...quick, start: async () => void said.push('c is started') },
    ]);
    const started = all.start();
    await new Promise(setImmediate);
    expect(said).toEqual([]);
    first.pass();
    await started;
    expect(said).toEqual(['c is started']);
    const stopped = all.stop();
    await new Promise(setImmediate);
    expect(said).toEqual(['c is started']);
    last.pass();
    await stopped;
    expect(said).toEqual(['c is started', 'a is stopped']);
  });

  it('are stopped again when a later start fails, and that error is thrown', async () => {
    const { services, said } = noted('abcd', 'start c', 'stop b');
    const all = new Services('all', services);
    await expect(all.start()).rejects.toThrow('start c');
    expect(said).toEqual(['start a', 'start b', 'start c', 'stop b', 'stop a']);
  });

  it('are all stopped even if one fails to stop', async () => {
    const { services, said } = noted('abc', 'stop c');
    const all = new Services('all', services);
    await all.start();
    await expect(all.stop()).rejects.toThrow('stop c');
    expect(said.slice(3)).toEqual(['stop c', 'stop b', 'stop a']);
  });

  it('report every stop that failed', async () => {
    const { services } = noted('abc', 'stop c', 'stop a');
    const all = new Services('all', services);
    await all.start();
    const error = await all.stop().catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors.map((one: Error) => one.message)).toEqual(['stop c', 'stop a']);
    expect((error as AggregateError).message).toBe('2 parts of all failed to stop');
  });

  it('are stopped once, however often stop is called', async () => {
    const { services, said } = noted('ab', 'stop a');
    const all = new Services('all', services);
    await all.start();
    const first = all.stop();
    expect(all.stop()).toBe(first);
    await expect(first).rejects.toThrow('stop a');
    await expect(all.stop()).rejects.toThrow('stop a');
    expect(said).toEqual(['start a', 'start b', 'stop b', 'stop a']);
  });

  it('stopped during a start abort that start and stop what is running', async () => {
    const { services, said } = noted('ac');
    const [a, c] = services as [Service, Service];
    const slow: Service = {
      name: 'slow',
      start: (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        }),
      stop: async () => void said.push('stop slow'),
    };
    const all = new Services('all', [a, slow, c]);
    const started = all.start();
    const failed = expect(started).rejects.toThrow('all was stopped');
    await new Promise(setImmediate);
    await all.stop();
    await failed;
    expect(said).toEqual(['start a', 'stop a']);
  });

  it('stopped during a start that ignores the abort also stop what started late', async () => {
    const { services, said } = noted('ac');
    const [a, c] = services as [Service, Service];
    const { open, pass } = gate();
    const deaf: Service = { name: 'deaf', start: () => open, stop: async () => void said.push('stop deaf') };
    const all = new Services('all', [a, deaf, c]);
    const failed = expect(all.start()).rejects.toThrow('all was stopped');
    await new Promise(setImmediate);
    const stopped = all.stop();
    pass();
    await stopped;
    await failed;
    expect(said).toEqual(['start a', 'stop deaf', 'stop a']);
  });

  it('stopped during a start report what failed to stop', async () => {
    const { services } = noted('a', 'stop a');
    const { open, pass } = gate();
    const all = new Services('all', [
      ...services,
      { name: 'b', start: () => open, stop: async () => undefined },
    ]);
    const failed = expect(all.start()).rejects.toThrow('all was stopped');
    await new Promise(setImmediate);
    const stopped = expect(all.stop()).rejects.toThrow('stop a');
    pass();
    await Promise.all([failed, stopped]);
  });

  it('start no more once the start signal aborts', async () => {
    const { services, said } = noted('abc');
    const giveUp = new AbortController();
    const [a, b, c] = services as [Service, Service, Service];
    const aborting: Service = { ...b, start: async () => giveUp.abort(new Error('Ctrl-C')) };
    await expect(new Services('all', [a, aborting, c]).start(giveUp.signal)).rejects.toThrow('Ctrl-C');
    expect(said).toEqual(['start a', 'stop b', 'stop a']);
    await expect(new Services('all', services).start(giveUp.signal)).rejects.toThrow('Ctrl-C');
    expect(said).toHaveLength(3);
  });

  it('are not stopped when the start signal aborts after the start', async () => {
    const { services, said } = noted('a');
    const giveUp = new AbortController();
    const all = new Services('all', services);
    await all.start(giveUp.signal);
    giveUp.abort();
    expect(said).toEqual(['start a']);
  });

  it('no longer listen to the start signal after the start', async () => {
    let given: AbortSignal | undefined;
    const keep = (signal: AbortSignal) => {
      given = signal;
    };
    const all = new Services('all', [part('a', keep)]);
    await all.start();
    await all.stop();
    expect(given?.aborted).toBe(false);
  });

  it('start once, and never after a stop', async () => {
    const { services, said } = noted('a');
    const all = new Services('all', services);
    await all.start();
    await expect(all.start()).rejects.toThrow('all was started before');
    const never = new Services('never', services);
    await never.stop();
    await expect(never.start()).rejects.toThrow('never was stopped');
    expect(said).toEqual(['start a']);
  });

  it('can be nested as a service', async () => {
    const { services, said } = noted('abcd');
    const [a, b, c, d] = services as [Service, Service, Service, Service];
    const all = new Services('all', [a, new Services('inner', [b, c]), d]);
    await all.start();
    await all.stop();
    expect(said.slice(4)).toEqual(['stop d', 'stop c', 'stop b', 'stop a']);
  });

  it('with a limit abandon a slow stop, and ask for the limit before each', async () => {
    const { services, said } = noted('ab');
    const limits = [1, 50_000, 50_000];
    const slow: Service = {
      name: 'slow',
      start: async () => undefined,
      stop: () => new Promise(() => undefined),
    };
    const late: string[] = [];
    const all = new Services('all', [...services, slow], {
      limitMs: () => limits.shift() as number,
      onLate: (name) => late.push(name),
    });
    await all.start();
    await all.stop();
    expect([said.slice(2), late, limits]).toEqual([['stop b', 'stop a'], ['slow'], []]);
  });
});

describe('a service that holds a value', () => {
  it('provides the value to later services and to its own stop', async () => {
    const said: string[] = [];
    const connection = part(
      'connection',
      async () => 'open',
      (value) => said.push(`close ${value}`),
    );
    const user = part('user', () => `uses ${connection.value}`);
    expect(() => connection.value).toThrow('connection is not open yet');
    const all = new Services('all', [connection, user]);
    await all.start();
    expect(user.value).toBe('uses open');
    await all.stop();
    expect(said).toEqual(['close open']);
  });

  it('may hold undefined and still counts as open', async () => {
    const nothing = part('nothing', () => undefined);
    const all = new Services('all', [nothing]);
    await all.start();
    expect(nothing.value).toBeUndefined();
    await all.stop();
  });
});
