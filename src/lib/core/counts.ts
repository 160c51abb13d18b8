/** Integers with thousands separators: `50,000`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** `1 job`, `2 jobs`. */
export function plural(value: number, one: string, many: string = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** `1 job waits`, `1,200 jobs wait`. */
export function jobsWait(jobs: number): string {
  return `${plural(jobs, 'job')} ${jobs === 1 ? 'waits' : 'wait'}`;
}

/** `80 %` for 0.8. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
