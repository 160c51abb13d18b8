/**
 * Environment of a process whose host's clock is off by `ms` (positive: ahead) from its first instant: `Date` and the
 * origin of `performance` are shifted in it and in its children.
 */
export function shiftedClock(ms: number): Record<string, string> {
  const source = `
    const Real = Date;
    globalThis.Date = class extends Real {
      constructor(...parts) {
        if (parts.length === 0) super(Real.now() + ${ms});
        else super(...parts);
      }
      static now() { return Real.now() + ${ms}; }
    };
    Object.defineProperty(performance, 'timeOrigin', { value: performance.timeOrigin + ${ms} });`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(source)}` };
}
