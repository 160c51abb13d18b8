import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Frame, FrameReader, writeFrame } from '../../../src/lib/model/frames.js';

async function framesAsBytes(frames: { header: object; parts: Uint8Array[] }[]): Promise<Buffer> {
  const stream = new PassThrough({ highWaterMark: 1e9 });
  for (const { header, parts } of frames) await writeFrame(stream, header, parts);
  return (stream.read() as Buffer | null) ?? Buffer.alloc(0);
}

it('frames are read intact with any chunk boundaries', async () => {
  const frame = fc.record({
    header: fc.record({ id: fc.nat(), text: fc.string() }),
    parts: fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(frame, { maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1 }),
      async (frames, cuts) => {
        const bytes = await framesAsBytes(frames);
        const seen: Frame[] = [];
        const reader = new FrameReader((one) => seen.push(one));
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const end = at + (cuts[i % cuts.length] as number);
          reader.push(bytes.subarray(at, end));
          at = end;
        }
        expect(seen.map((one) => one.header)).toEqual(frames.map((one) => one.header));
        expect(seen.map((one) => [...one.body])).toEqual(
          frames.map((one) => one.parts.flatMap((part) => [...part])),
        );
      },
    ),
    { numRuns: 100 },
  );
});

it('writing a frame waits while the stream is full, and rejects when it closes meanwhile', async () => {
  const stream = new PassThrough({ highWaterMark: 16 });
  let written = false;
  const writing = writeFrame(stream, { id: 1 }, [new Uint8Array(1000)]).then(() => {
    written = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(written).toBe(false);
  stream.resume();
  await writing;

  const stuck = new PassThrough({ highWaterMark: 16 });
  const lost = writeFrame(stuck, { id: 2 }, [new Uint8Array(1000)]);
  stuck.destroy();
  await expect(lost).rejects.toThrow('closed');
  await expect(writeFrame(stuck, { id: 3 })).rejects.toThrow('closed');
});

it('bytes that are not frames are rejected', () => {
  expect(() => new FrameReader(() => {}).push(Buffer.alloc(12, 0xff))).toThrow('damaged');
});
