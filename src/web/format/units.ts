/*
 * Numbers for display, in the units and words of the command line (`core/units.ts`, `core/counts.ts`), which the
 * page may not import.
 */

/** Shown where there is no value. */
export const NONE = '–';

/** `1,234,567`. */
export function count(value: number | null | undefined): string {
  return known(value) ? Math.round(value).toLocaleString('en-US') : NONE;
}

/** `950`, `12,300`, `1.2 M`: for tiles and axes, where a long number would not fit. */
export function shortCount(value: number | null | undefined): string {
  if (!known(value)) return NONE;
  if (Math.abs(value) < 100_000) return Number(value.toFixed(value < 10 ? 2 : 0)).toLocaleString('en-US');
  if (Math.abs(value) < 999_500) return `${Math.round(value / 1000)} k`;
  if (Math.abs(value) < 999_500_000) return `${scaled(value / 1e6)} M`;
  return `${scaled(value / 1e9)} G`;
}

/** `1 job`, `2 jobs`. */
export function plural(value: number, one: string, many: string = `${one}s`): string {
  return `${count(value)} ${Math.round(value) === 1 ? one : many}`;
}

/** With a capital letter in front. Not for what may begin with a name, such as the outcome of an action. */
export function sentence(message: string): string {
  return message.charAt(0).toUpperCase() + message.slice(1);
}

/** `80 %`; small shares keep a decimal, so that a few failures are not shown as none. */
export function percent(share: number | null | undefined): string {
  if (!known(share)) return NONE;
  const value = share * 100;
  if (value > 0 && value < 0.1) return '< 0.1 %';
  if (value < 100 && value > 99.9) return '> 99.9 %';
  return `${Number(value.toFixed(value < 10 || value > 99 ? 1 : 0))} %`;
}

/** Per second: `0.021`, `4.5`, `374`, `12,300`. The unit is not included. */
export function perSecond(value: number | null | undefined): string {
  if (!known(value)) return NONE;
  if (value === 0) return '0';
  if (value < 0.001) return '< 0.001';
  if (value < 0.1) return String(Number(value.toPrecision(2)));
  return value < 100 ? String(Number(value.toFixed(value < 1 ? 2 : 1))) : shortCount(Math.round(value));
}

/** `458/s`. */
export function rate(value: number | null | undefined): string {
  return known(value) ? `${perSecond(value)}/s` : NONE;
}

/** `850 µs`, `12.3 ms`, `4.2 s`, `3m 20s`, `2h 5m`, `4d 3h`. */
export function duration(ms: number | null | undefined): string {
  if (!known(ms)) return NONE;
  const sign = ms < 0 ? '-' : '';
  const value = Math.abs(ms);
  if (value === 0) return '0 ms';
  if (value < 0.9995) return `${sign}${Math.round(value * 1000)} µs`;
  if (value < 999.5) return `${sign}${value < 99.95 ? Number(value.toFixed(1)) : Math.round(value)} ms`;
  const seconds = value / 1000;
  if (seconds < 59.95) return `${sign}${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${sign}${Math.floor(whole / 60)}m ${whole % 60}s`;
  if (whole < 86_400) return `${sign}${Math.floor(whole / 3600)}h ${Math.floor((whole % 3600) / 60)}m`;
  return `${sign}${Math.floor(whole / 86_400)}d ${Math.floor((whole % 86_400) / 3600)}h`;
}

const BYTE_UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

/** `512 B`, `1.5 MB` (powers of 1024, as Redis writes them). */
export function bytes(value: number | null | undefined): string {
  if (!known(value)) return NONE;
  let rest = value;
  let unit = 0;
  while (rest >= 1024 && unit < BYTE_UNITS.length - 1) {
    rest /= 1024;
    unit += 1;
  }
  return `${Number(rest.toFixed(unit === 0 || rest >= 100 ? 0 : 1))} ${BYTE_UNITS[unit]}`;
}

function known(value: number | null | undefined): value is number {
  return value !== null && value !== undefined && Number.isFinite(value);
}

function scaled(value: number): string {
  return String(Number(value.toFixed(Math.abs(value) < 10 ? 1 : 0)));
}
