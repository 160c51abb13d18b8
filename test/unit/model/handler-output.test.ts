import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type HandlerLine, HandlerLines, HandlerOutput } from '../../../src/lib/model/handler-output.js';

function output() {
  const lines: HandlerLine[] = [];
  let now = 0;
  const handlers = new HandlerOutput(
    (line) => void lines.push(line),
    () => now,
  );
  const print = (text: string | Uint8Array, stream: 'stdout' | 'stderr' = 'stdout') =>
    handlers.write(stream, typeof text === 'string' ? Buffer.from(text) : text);
  return {
    handlers,
    lines,
    print,
    wait: (ms: number) => {
      now += ms;
    },
  };
}

describe("a handler's output", () => {
  it('becomes lines with model and stream, whole characters and no control sequences', async () => {
    const { handlers, lines, print } = output();
    await handlers.within('a', true, async () => {
      print('one\ntw');
      print('o\n\n');
      const euro = Buffer.from('€\n');
      print(euro.subarray(0, 1), 'stderr');
      print(euro.subarray(1), 'stderr');
      print('\u001b[31mred\u001b[0m\n');
      print('no end');
    });
    handlers.flush();
    expect(lines).toEqual([
      { model: 'a', stream: 'stdout', text: 'one' },
      { model: 'a', stream: 'stdout', text: 'two' },
      { model: 'a', stream: 'stderr', text: '€' },
      { model: 'a', stream: 'stdout', text: 'red' },
      { model: 'a', stream: 'stdout', text: 'no end' },
    ]);
  });

  it('is attributed to the model that printed it, even while another runs', async () => {
    const { handlers, lines, print } = output();
    let late: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => (late = resolve));
    let printed: Promise<void> | undefined;
    await handlers.within('a', true, async () => {
      printed = gate.then(() => print('late\n'));
    });
    await handlers.within('b', true, async () => print('now\n'));
    late?.();
    await printed;
    expect(lines.map(({ model, text }) => [model, text])).toEqual([
      ['b', 'now'],
      ['a', 'late'],
    ]);
  });

  it('is limited in length and rate, and reports how much was dropped', async () => {
    const { handlers, lines, print, wait } = output();
    await handlers.within('a', false, async () => {
      print(`${'x'.repeat(5000)}\n`);
      for (let i = 0; i < 500; i++) print(`line ${i}\n`);
      wait(1000);
      print('after\n');
    });
    expect(lines[0]?.text).toHaveLength(1000);
    expect(lines).toHaveLength(101);
    expect(lines.at(-1)).toEqual({ model: 'a', stream: 'stdout', text: 'after', leftOut: 401 });
  });

  it.each(['after a second', 'at the end'])(
    'reports how much was dropped even if no line follows: %s',
    async (when) => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      onTestFinished(() => void vi.useRealTimers());
      const { handlers, lines, print } = output();
      await handlers.within('a', false, async () => {
        for (let i = 0; i < 103; i++) print(`line ${i}\n`, 'stderr');
      });
      expect(lines).toHaveLength(100);
      if (when === 'at the end') handlers.flush();
      else vi.advanceTimersByTime(1000);
      expect(lines).toHaveLength(101);
      expect(lines.at(-1)).toEqual({ model: 'a', stream: 'stderr', text: '', leftOut: 3 });
      // Once.
      handlers.flush();
      vi.advanceTimersByTime(10_000);
      expect(lines).toHaveLength(101);
    },
  );
});

it('log lines are parsed with any chunk boundaries, and other lines are ignored', () => {
  const lines: HandlerLine[] = [];
  const reader = new HandlerLines((line) => void lines.push(line));
  const line: HandlerLine = { model: 'm', stream: 'stdout', text: 'ä' };
  const bytes = Buffer.from(`not ours\n${JSON.stringify(line)}\n`);
  for (const byte of bytes) reader.push(Buffer.of(byte));
  expect(lines).toEqual([line]);
});
