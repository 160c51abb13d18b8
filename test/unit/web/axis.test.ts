import { describe, expect, it } from 'vitest';
import { timeLabels } from '../../../src/web/format/axis.js';

const AXIS = { from: 0, to: 300_000, width: 300, space: 8, timeZone: 'UTC' };

describe('labels of a time axis', () => {
  it('are times of the zone, with seconds where ticks are closer than a minute', () => {
    expect(timeLabels([60_000, 120_000], AXIS)).toEqual(['00:01', '00:02']);
    expect(timeLabels([30_000, 60_000], { ...AXIS, timeZone: 'Asia/Kolkata' })).toEqual([
      '05:30:30',
      '05:31:00',
    ]);
  });

  it('are days where more than two days are shown', () => {
    const day = 86_400_000;
    expect(timeLabels([day, 2 * day], { ...AXIS, to: 14 * day })).toEqual(['2 Jan', '3 Jan']);
  });

  it('are left out where the end of the chart would cut them off', () => {
    // A second is a pixel: 12 px before the end and 8 behind it are enough for half of 00:04, 11 are not.
    expect(timeLabels([228_000, 288_000], AXIS)).toEqual(['00:03', '00:04']);
    expect(timeLabels([229_000, 289_000], AXIS)).toEqual(['00:03', '']);
    expect(timeLabels([270_000, 285_000], AXIS)).toEqual(['00:04:30', '']);
  });
});
