import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeNotice, encodeNotice } from '../../../src/lib/queue/broker/notice.js';
import { recordTtl } from '../../../src/lib/queue/broker/settlement.js';
import { fromJobData, jobName, toJobData } from '../../../src/lib/queue/job-data.js';
import { bullBase, groupKey, inputKey, queueTag, resultKey } from '../../../src/lib/queue/keys.js';
import type { JobSpec } from '../../../src/lib/queue/types.js';

const SPEC: JobSpec = { id: 'a', queue: 'q', model: 'm', rows: 3, priority: 4, resultTtl: 60 };

describe('job data', () => {
  it('round-trips with its input, without repeating id and queue', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.integer({ min: 0, max: 9 }), (input, priority) => {
        const spec = { ...SPEC, priority, group: { id: 'g', index: 1, firstRow: 5 }, reply: 'r' };
        const json = JSON.stringify(toJobData(spec, input));
        expect(json).not.toContain('"id":"a"');
        const back = fromJobData(json, 'a', 'q');
        expect(back?.spec).toEqual(spec);
        expect(back?.input?.equals(input)).toBe(true);
      }),
    );
    expect(fromJobData(JSON.stringify(toJobData(SPEC, undefined)), 'a', 'q')).toEqual({
      spec: SPEC,
      input: undefined,
    });
  });

  it('copies only the bytes of a view', () => {
    const view = new Uint8Array([9, 1, 2, 9]).subarray(1, 3);
    expect(fromJobData(JSON.stringify(toJobData(SPEC, view)), 'a', 'q')?.input).toEqual(Buffer.from([1, 2]));
  });

  it.each(['', 'no json', 'null', '1', '"s"', '[]', '{}', '{"s":null}', '{"s":{}}', '{"s":{"model":1}}'])(
    'is recognised as foreign: %j',
    (json) => {
      expect(fromJobData(json, 'a', 'q')).toBeUndefined();
    },
  );

  it('gets a name from whose end the rows can be read', () => {
    expect(jobName(SPEC)).toBe('m#3');
    expect(jobName({ model: 'a#b', rows: 12 })).toMatch(/#12$/);
  });
});

describe('keys', () => {
  it('of one queue share a slot, those of two queues do not', () => {
    const tag = queueTag('infer', 'batch');
    const slotOf = (key: string) => /\{([^}]+)\}/.exec(key)?.[1];
    const keys = [bullBase('infer', 'batch'), inputKey(tag, 'x'), resultKey(tag, 'x'), groupKey(tag, 'x')];
    expect(new Set(keys.map(slotOf))).toEqual(new Set(['infer:batch']));
    expect(slotOf(queueTag('infer', 'realtime'))).not.toBe('infer:batch');
  });
});

describe('notices', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 200 }).map((data) => Buffer.from(data));

  it('carry a result intact', () => {
    fc.assert(
      fc.property(bytes, fc.string({ unit: 'binary' }), (result, message) => {
        const sent = {
          id: 'a',
          state: 'failed' as const,
          failure: { code: 'X', message },
          size: result.length,
        };
        const heard = decodeNotice(Buffer.concat([encodeNotice(sent), result]));
        expect(heard.notice).toEqual(JSON.parse(JSON.stringify(sent)));
        expect(heard.result).toEqual(result);
      }),
    );
  });

  it('say when the result is not included', () => {
    expect(decodeNotice(encodeNotice({ id: 'a', size: 100_000 })).result).toBeUndefined();
    expect(decodeNotice(encodeNotice({ id: 'a', size: 0 })).result).toBeUndefined();
    expect(decodeNotice(encodeNotice({ id: 'a' })).result).toBeUndefined();
  });

  it('have room for the longest stored failure', () => {
    const failure = { code: 'X', message: '\u0000'.repeat(500), hint: '\u0000'.repeat(500) };
    expect(decodeNotice(encodeNotice({ id: 'a'.repeat(128), failure })).notice.failure).toEqual(failure);
    expect(() => encodeNotice({ id: 'a'.repeat(70_000) })).toThrow('notice header');
  });
});

describe('recordTtl', () => {
  it('is the result TTL, at least a minute, plus a day for a chunk', () => {
    expect(recordTtl({ resultTtl: 0, group: undefined })).toBe(60);
    expect(recordTtl({ resultTtl: 3600, group: undefined })).toBe(3600);
    expect(recordTtl({ resultTtl: 0, group: { id: 'g', index: 0, firstRow: 0 } })).toBe(86_460);
  });
});
