import { expect, it } from 'vitest';
import type { ActionState } from '../../../src/lib/serve/dashboard/shapes.js';
import { Actions } from '../../../src/web/state/actions.js';
import { RequestError } from '../../../src/web/stream/problem.js';

const state = (more: Partial<ActionState>): ActionState => ({
  id: 'a',
  action: { action: 'cancel', filter: {} },
  text: 'Cancels 2 jobs.',
  who: 'ada',
  startedAt: 100,
  endedAt: null,
  state: 'running',
  done: 0,
  total: 2,
  isMost: false,
  result: null,
  error: null,
  ...more,
});

/** Actions of a page whose server answers with this. */
function open(answer: () => ActionState = () => state({})) {
  const reply = async <T>(): Promise<T> => answer() as T;
  const actions = new Actions({ get: reply, post: reply });
  let updates = 0;
  actions.begun.follow(() => (updates += 1));
  return { actions, updates: () => updates };
}

it('a page that was loaded again finds the actions in progress, and not those that had ended', () => {
  const { actions } = open();
  actions.follow([state({ id: 'b' }), state({ id: 'old', state: 'ok' }), state({ id: 'a' })], 200);
  expect(actions.begun.value.map(({ id }) => id)).toEqual(['a', 'b']);
  expect(actions.changes.value).toBe(1);
});

it('a step is a new state, but only a beginning or an end is a reason to read lists again', () => {
  const { actions, updates } = open();
  actions.follow([state({})], 200);
  for (let i = 0; i < 3; i++) actions.follow([state({ done: 1 })], 300);
  expect([updates(), actions.changes.value]).toEqual([2, 1]);
  actions.follow([state({ done: 2, state: 'ok', result: '2 jobs cancelled' })], 400);
  actions.follow([state({ done: 2, state: 'ok', result: '2 jobs cancelled' })], 500);
  expect([updates(), actions.changes.value]).toEqual([3, 2]);
});

it('an action that its server does not know any more has ended, unless it began after the list was made', () => {
  const { actions } = open();
  actions.follow([state({}), state({ id: 'done', state: 'running' })], 200);
  actions.follow([state({ id: 'done', state: 'ok' })], 50);
  expect(actions.begun.value.find(({ id }) => id === 'a')?.state).toBe('running');
  actions.follow([], 300);
  const a = actions.begun.value.find(({ id }) => id === 'a');
  expect(a).toMatchObject({ state: 'failed', error: { code: 'ACTION_UNKNOWN' } });
  expect(actions.begun.value.find(({ id }) => id === 'done')?.state).toBe('ok');
});

it('without a stream it asks for them one by one', async () => {
  let answer = () => state({ done: 1 });
  const { actions } = open(() => answer());
  actions.follow([state({})], 200);
  await actions.refresh();
  expect(actions.begun.value[0]?.done).toBe(1);
  answer = () => {
    throw new RequestError({ status: 0, code: 'UNREACHABLE', message: 'away', hint: null });
  };
  await actions.refresh();
  expect(actions.begun.value[0]?.state).toBe('running');
  answer = () => {
    throw new RequestError({ status: 404, code: 'ACTION_UNKNOWN', message: 'none', hint: null });
  };
  await actions.refresh();
  expect(actions.begun.value[0]?.state).toBe('failed');
});
