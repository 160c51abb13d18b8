import { plural } from '../../core/counts.js';
import { renderTable } from '../output/table.js';
import type { Layout } from '../output/text.js';

/** A worker's answer to an order. */
export interface WorkerAnswer {
  id: string;
  name: string;
  host: string;
  /** `busy`: it received the order but has not exited in the given time. */
  state: 'ok' | 'refused' | 'silent' | 'busy';
  text: string;
  code?: string | undefined;
  hint?: string | undefined;
}

const COLOURS = { ok: 'green', refused: 'red', silent: 'yellow', busy: 'yellow' } as const;

/** One line per worker. */
export function answersView(answers: readonly WorkerAnswer[], layout: Layout): string[] {
  const columns = [{ title: 'WORKER' }, { title: 'STATE' }, { title: 'ANSWER' }];
  const rows = answers.map(({ name, state, text, hint }) => [
    name,
    { text: state, format: COLOURS[state] },
    hint === undefined || state === 'ok' ? text : { values: [text, `try: ${hint}`] },
  ]);
  return renderTable(columns, rows, layout);
}

/** Lists up to this many jobs individually; beyond that only the problems, and the number of the others. */
const MOST_LISTED = 20;

export interface JobOutcome {
  id: string;
  queue: string;
  ok: boolean;
  text: string;
}

/** One line per job; for many jobs, only those that did not succeed, and a line for the rest. */
export function outcomesView(outcomes: readonly JobOutcome[], layout: Layout): string[] {
  const columns = [{ title: 'JOB' }, { title: 'QUEUE' }, { title: 'OUTCOME' }];
  const many = outcomes.length > MOST_LISTED;
  const listed = many ? outcomes.filter(({ ok }) => !ok) : outcomes;
  const rows = listed.map(({ id, queue, ok, text }) => [
    id,
    queue,
    ok ? text : { text, format: 'yellow' as const },
  ]);
  const wellDone = new Map<string, number>();
  for (const { ok, text } of many ? outcomes : []) if (ok) wellDone.set(text, (wellDone.get(text) ?? 0) + 1);
  const rest = [...wellDone].map(([text, jobs]) => [plural(jobs, 'job'), '', text]);
  return renderTable(columns, [...rows, ...rest], layout);
}
