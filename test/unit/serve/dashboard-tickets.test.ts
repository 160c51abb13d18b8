import { expect, it } from 'vitest';
import type { OperationContext } from '../../../src/lib/operations/operation.js';
import type { Planned } from '../../../src/lib/serve/dashboard/actions/planned.js';
import { RunningActions } from '../../../src/lib/serve/dashboard/actions/running-actions.js';
import { type Ticket, Tickets } from '../../../src/lib/serve/dashboard/actions/tickets.js';

const action = { action: 'pause', queue: 'q' } as const;
const ticketOf = (planned: Partial<Planned> = {}): Ticket => ({
  action,
  planned: { text: 'Pauses queue q.', count: 1, bound: 'exact', ...planned } as Planned,
  who: 'ops',
});
/** An action that runs on until it is stopped. */
const endless = () =>
  ticketOf({ operation: { plan: () => new Promise(() => undefined) } as unknown as Planned['operation'] });
const begun = (ticket: () => Ticket) => ({
  ticket,
  context: {
    client: {},
    prefix: 'infer',
    actor: { who: 'ops', host: 'h', channel: 'http' },
  } as unknown as Omit<OperationContext, 'signal'>,
  onUnaudited: () => undefined,
});

it('is taken once, by the token that it was shown to, for ten minutes', () => {
  let now = 0;
  const tickets = new Tickets(() => now);
  const changed = expect.objectContaining({ code: 'ACTION_CHANGED' });
  const id = tickets.issue(ticketOf());
  expect(() => tickets.take(id, action, 'other')).toThrow(changed);
  expect(() => tickets.take(id, { ...action, queue: 'r' }, 'ops')).toThrow(changed);
  now = 600_000;
  expect(tickets.take(id, action, 'ops')).toMatchObject({ who: 'ops' });
  expect(() => tickets.take(id, action, 'ops')).toThrow(changed);
  const late = tickets.issue(ticketOf());
  now += 600_001;
  expect(() => tickets.take(late, action, 'ops')).toThrow(changed);
});

it('keeps the ticket of an action that is refused because too many run, so that it can be sent again', async () => {
  const running = new RunningActions(() => 0);
  for (let i = 0; i < 4; i++)
    expect(await running.begin(begun(endless), 1)).toMatchObject({ state: 'running' });
  const tickets = new Tickets();
  const id = tickets.issue(endless());
  const again = begun(() => tickets.take(id, action, 'ops'));
  await expect(running.begin(again, 1)).rejects.toMatchObject({
    code: 'ACTION_LIMIT',
    headers: { 'retry-after': '2' },
  });
  expect(tickets.take(id, action, 'ops')).toMatchObject({ who: 'ops' });
});
