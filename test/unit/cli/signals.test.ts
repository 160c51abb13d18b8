import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { EVERY_STOP_SIGNAL, Interrupted, interruptible, onShutdown } from '../../../src/lib/cli/signals.js';

const count = (source: EventEmitter) => source.listenerCount('SIGINT') + source.listenerCount('SIGTERM');

describe('onShutdown', () => {
  it('drains on the first signal and leaves on the second, once', () => {
    const source = new EventEmitter();
    let now = 0;
    const seen: string[] = [];
    const listener = onShutdown(
      { drain: (signal) => seen.push(`drain ${signal}`), leave: (signal) => seen.push(`leave ${signal}`) },
      source,
      () => now,
    );
    source.emit('SIGTERM');
    expect(seen).toEqual(['drain SIGTERM']);
    now = 249;
    source.emit('SIGINT'); // the same key press, passed on by npm
    expect(seen).toEqual(['drain SIGTERM']);
    now = 250;
    source.emit('SIGINT');
    expect(seen).toEqual(['drain SIGTERM', 'leave SIGINT']);
    now = 1000;
    source.emit('SIGINT');
    source.emit('SIGTERM');
    expect(seen).toEqual(['drain SIGTERM', 'leave SIGINT']);
    expect(listener.signal).toBe('SIGTERM');
    listener.dispose();
    expect(count(source)).toBe(0);
  });

  it('treats repeated SIGHUP as one, since a closed terminal sends several', () => {
    const source = new EventEmitter();
    let now = 0;
    const seen: string[] = [];
    onShutdown(
      { drain: (signal) => seen.push(`drain ${signal}`), leave: (signal) => seen.push(`leave ${signal}`) },
      source,
      () => now,
      EVERY_STOP_SIGNAL,
    );
    for (; now < 3000; now += 1000) source.emit('SIGHUP');
    source.emit('SIGTERM');
    expect(seen).toEqual(['drain SIGHUP', 'leave SIGTERM']);
  });
});

describe('interruptible', () => {
  it('ends with 129 when the terminal closed', async () => {
    const source = new EventEmitter();
    const done = interruptible(
      (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      source,
      undefined,
      EVERY_STOP_SIGNAL,
    );
    source.emit('SIGHUP');
    await expect(done).rejects.toMatchObject({ exitCode: 129 });
  });

  it('aborts the work and rejects with the exit code of the signal', async () => {
    const source = new EventEmitter();
    const done = interruptible(
      (signal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('closed')))),
      source,
    );
    source.emit('SIGTERM');
    await expect(done).rejects.toMatchObject({ exitCode: 143 });
    await expect(done).rejects.toBeInstanceOf(Interrupted);
    expect(count(source)).toBe(0);
  });

  it('leaves no listeners after work that ends normally', async () => {
    const source = new EventEmitter();
    await expect(interruptible(async () => 7, source)).resolves.toBe(7);
    expect(count(source)).toBe(0);
  });
});
