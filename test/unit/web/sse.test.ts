import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventParser } from '../../../src/web/stream/sse.js';

const whole = (text: string) => new EventParser().push(text);

describe('server-sent events', () => {
  it('have a name and data of one or several lines', () => {
    expect(whole('event: snapshot\ndata: {"a":1}\n\ndata: x\ndata: y\n\n')).toEqual([
      { name: 'snapshot', data: '{"a":1}' },
      { name: 'message', data: 'x\ny' },
    ]);
  });

  it('skip comments, unknown fields and events without data', () => {
    expect(whole(': still there\n\nid: 3\nretry: 10\n\nevent: empty\n\ndata: z\n\n')).toEqual([
      { name: 'message', data: 'z' },
    ]);
  });

  it('are the same however the stream is cut, and whichever line ends it has', () => {
    const text = 'event: a\r\ndata: 1\r\n\r\n: c\rdata: 2\rdata:3\r\revent: b\ndata:  4\n\n';
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 12 }), (cuts) => {
        const parser = new EventParser();
        const places = [0, ...cuts.sort((a, b) => a - b), text.length];
        const pieces = places.slice(1).map((end, index) => text.slice(places[index], end));
        expect(pieces.flatMap((piece) => parser.push(piece))).toEqual([
          { name: 'a', data: '1' },
          { name: 'message', data: '2\n3' },
          { name: 'b', data: ' 4' },
        ]);
      }),
    );
  });

  it('do not fill the memory of a tab: an endless line is an error', () => {
    const parser = new EventParser();
    const piece = 'x'.repeat(8 * 1024 * 1024);
    expect(() => {
      for (let i = 0; i < 5; i++) parser.push(piece);
    }).toThrow('too long');
  });
});
