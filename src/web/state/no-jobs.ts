import type { JobsFilter } from '../../lib/serve/dashboard/shapes.js';

/** What is said where no job is listed, and a command that brings some about. */
export interface NoJobs {
  text: string;
  command?: string;
}

/** What brings about a job in a state. */
const EXAMPLES: Readonly<Record<string, string>> = {
  waiting: 'infer submit examples/one-digit.json',
  delayed: 'infer submit examples/one-digit.json --delay 10m',
  active: 'infer submit examples/digits.ndjson',
  completed: 'infer submit examples/one-digit.json --wait',
  failed: 'infer inspect failed',
  expired: 'infer submit examples/one-digit.json --expires 1s',
  cancelled: 'infer cancel ID',
};

/**
 * Why a list of jobs is empty. Only a list without filters can say that there are none.
 * @param id what was looked for: a job or a group
 * @param later whether it is a later page, so that jobs may have been listed before
 */
export function noJobs(filter: JobsFilter, id: string | undefined, later: boolean): NoJobs {
  if (later) return { text: 'There are no more jobs.' };
  if (id !== undefined) {
    return { text: `No job or group with the id ${id} is known. Its record may have expired.` };
  }
  const { state, ...others } = filter;
  if (Object.values(others).some(Boolean)) return { text: 'No job matches these filters.' };
  if (!state) {
    const command = 'infer submit examples/one-digit.json';
    return { text: 'No job waits or runs now. Submit one:', command };
  }
  const command = EXAMPLES[state];
  return command === undefined
    ? { text: 'No job matches these filters.' }
    : { text: `There are no ${state} jobs. Try:`, command };
}
