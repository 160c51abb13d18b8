import { describe, expect, it } from 'vitest';
import { leastResultBytes } from '../../../src/lib/model/selection.js';
import { checkSize, SizeRefused, sizeRefusal } from '../../../src/lib/redis/size-limits.js';
import { input, model } from '../input/signatures.js';

describe("a server's answer to a large value", () => {
  it.each([
    ['ERR Protocol error: invalid bulk length', { setting: 'proto-max-bulk-len' }],
    ['ERR string exceeds maximum allowed size (proto-max-bulk-len)', { setting: 'proto-max-bulk-len' }],
    ['ERR string exceeds maximum allowed size (512MB)', {}],
    ['ERR max request size exceeded. Limit: 1048576 bytes, Actual: 1311283 bytes', { bytes: 1048576 }],
    ['ERR maximum record size exceeded, limit is 104857600', { bytes: 104857600 }],
    ['ERR value is too large', {}],
    ['ERR Protocol error: too big mbulk count string', {}],
  ])('%s: is a permanent refusal', (text, limit) => {
    expect(sizeRefusal(new Error(text))).toEqual(limit);
  });

  it.each([
    "OOM command not allowed when used memory > 'maxmemory'.",
    'LOADING Redis is loading the dataset in memory',
    "READONLY You can't write against a read only replica.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    'MISCONF Redis is configured to save RDB snapshots',
    'Connection is closed.',
    'WRONGTYPE Operation against a key holding the wrong kind of value',
    'ERR max number of clients reached',
    'NOSCRIPT No matching script.',
  ])('%s: is a temporary refusal', (text) => {
    expect(sizeRefusal(new Error(text))).toBeUndefined();
  });

  it('rejects a value that fits only without the rest of its request', () => {
    const limit = { bytes: 1_000_000, setting: 'proto-max-bulk-len' };
    expect(() => checkSize(900_000, limit)).not.toThrow();
    expect(() => checkSize(999_000, limit)).toThrow(SizeRefused);
    expect(new SizeRefused(5, limit).limitText).toBe('at most 977 KB: proto-max-bulk-len');
    expect(new SizeRefused(5).limitText).toBe('its limit is not known');
  });
});

describe('the minimum size of a result', () => {
  const output = input('y', 'float32', [1000, 3]);
  const signature = {
    ...model(),
    outputs: [output, input('text', 'string', [4]), input('open', 'int64', [null])],
  };

  it('is that of outputs of known shape', () => {
    expect(leastResultBytes(signature, { rows: 10 })).toBe(10 * 1000 * 3 * 4);
    expect(leastResultBytes(signature, { rows: 10, wanted: ['text'] })).toBe(0);
  });

  it('counts shared outputs once, and nothing for other tasks', () => {
    const shared = { ...signature, outputs: [{ ...output, shared: true }] };
    expect(leastResultBytes(shared, { rows: 10 })).toBe(12_000);
    expect(leastResultBytes({ ...signature, task: 'handler' }, { rows: 10 })).toBe(0);
  });
});
