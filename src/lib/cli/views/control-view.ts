import { plural } from '../../core/counts.js';
import { renderTable } from '../output/table.js';
import type { Layout } from '../output/text.js';

/** What one worker said to an order. */
export interface WorkerAnswer {
  id: string;
  name: string;
  host: string;
  /** `busy`: it was told, and has not ended in the time given. */
  state: 'ok' | 'refused' | 'silent' | 'busy';
  text: string;
  code?: string | undefined;
  hint?: string | undefined;
}

const COLOURS = { ok: 'green', refused: 'red', silent: 'yellow', busy: 'yellow' } as const;

/** One line a worker. */
export function answersView(answers: readonly WorkerAnswer[], layout: Layout): string[] {
  const columns = [{ title: 'WORKER' }, { title: 'STATE' }, { title: 'ANSWER' }];
  const rows = answers.map(({ name, state, text, hint }) => [
    name,
    { text: state, format: COLOURS[state] },
    hint === undefined || state === 'ok' ? text : { values: [text, `try: ${hint}`] },
  ]);
  return renderTable(columns, rows, layout);
}

/** Lists up to this many jobs one by one; of more only what is wrong, and how many are well. */
const MOST_LISTED = 20;

export interface JobOutcome {
  id: string;
  queue: string;
  ok: boolean;
  text: string;
}

/** One line a job; of many jobs those that did not go well, and a line for the rest. */
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
