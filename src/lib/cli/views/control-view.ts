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
    hint === undefined || state === 'ok' ? text : `${text} (${hint})`,
  ]);
  return renderTable(columns, rows, layout);
}
