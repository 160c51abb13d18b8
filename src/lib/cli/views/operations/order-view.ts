import { ExitCode } from '../../../core/exit-codes.js';
import { workerText } from '../../../operations/audit-text.js';
import type { OrderedWorkers } from '../../../operations/outcomes.js';
import type { WorkerRecord } from '../../../queue/types.js';
import type { Layout } from '../../output/text.js';
import { answersView } from '../control-view.js';
import type { OperationView, Shown } from './view.js';

/** @param danger what the order does to these workers, if that needs consent */
export function orderView(
  danger?: ((workers: readonly WorkerRecord[]) => string) | undefined,
): OperationView<readonly WorkerRecord[], OrderedWorkers, OrderedWorkers> {
  return { ...(danger === undefined ? {} : { danger }), preview: shown, done: shown };
}

function shown({ order, workers }: OrderedWorkers, layout: Layout): Shown {
  const answers = workers.map((worker) => {
    const { id, name, host, state, code, hint } = worker;
    return { id, name, host, state, text: workerText(worker), code, hint };
  });
  const count = (state: string) => workers.filter((worker) => worker.state === state).length;
  const [ok, refused, busy] = [count('ok'), count('refused'), count('busy')];
  const exitCode =
    ok === workers.length
      ? undefined
      : refused === workers.length
        ? ExitCode.Negative
        : busy > 0 && ok + busy === workers.length
          ? ExitCode.TryAgain
          : ExitCode.Partial;
  return { lines: answersView(answers, layout), json: { order, workers: answers }, exitCode };
}
