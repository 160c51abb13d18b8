import { gunzipSync, inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { acceptedEncoding, compress } from '../../../../src/lib/serve/oip/compress.js';

describe('the encoding of an answer', () => {
  it.each([
    [undefined, undefined],
    ['', undefined],
    ['gzip', 'gzip'],
    ['br, deflate, gzip', 'deflate'],
    ['gzip, deflate', 'gzip'],
    [['br', 'gzip'], 'gzip'],
    ['gzip;q=0, deflate;q=0', undefined],
    ['deflate;q=0.1, gzip', 'gzip'],
    ['deflate;q=0.5, gzip;q=0.6', 'gzip'],
    ['GZIP; q=0.3', 'gzip'],
    ['gzip;q=0.1, identity', undefined],
    ['gzip;q=0.5, identity;q=0.1', 'gzip'],
    ['gzip, identity', 'gzip'],
    ['gzip;q=x', undefined],
    ['br', undefined],
  ] as const)('of %j is %s', (header, wanted) => expect(acceptedEncoding(header)).toBe(wanted));
});

describe('compressing an answer', () => {
  const json = Buffer.from(JSON.stringify({ outputs: new Array(100_000).fill(0.25) }));
  /** Bytes of floats that were measured: their low bits are noise. */
  const noise = (bytes: number): Uint8Array => {
    const values = Float32Array.from({ length: bytes / 4 }, (_, i) => Math.sin(i * 12.9898) * 43_758.5453);
    return new Uint8Array(values.buffer);
  };

  it('leaves a large one as it is that hardly shrinks', async () => {
    const parts = [Buffer.from('{"outputs":[]}'), noise(1_000_000)];
    expect(await compress(parts, 1_000_014, 'gzip')).toBeUndefined();
  });

  it('shrinks a large one that does, whole, and a small one in any case', async () => {
    expect(gunzipSync((await compress([json], json.length, 'gzip')) as Buffer).equals(json)).toBe(true);
    const parts = [json, Buffer.alloc(500_000), json];
    const whole = Buffer.concat(parts);
    const small = (await compress(parts, whole.length, 'deflate')) as Buffer;
    expect(small.length).toBeLessThan(whole.length / 10);
    expect(inflateSync(small).equals(whole)).toBe(true);
    expect(await compress([noise(4096)], 4096, 'gzip')).toBeDefined();
  });

  it('leaves a short one, and one for a client that takes none', async () => {
    expect(await compress([Buffer.alloc(1000)], 1000, 'gzip')).toBeUndefined();
    expect(await compress([json], json.length, undefined)).toBeUndefined();
  });
});
