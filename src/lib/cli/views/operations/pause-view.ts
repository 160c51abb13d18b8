import { pausedText } from '../../../operations/audit-text.js';
import type { PauseOutcome } from '../../../operations/outcomes.js';
import type { OperationView, Shown } from './view.js';

export const pauseView: OperationView<PauseOutcome, PauseOutcome, PauseOutcome> = {
  preview: (plan) => shown(plan, plan.paused ? 'would be paused' : 'would be resumed'),
  done: (outcome) => shown(outcome),
};

function shown(outcome: PauseOutcome, verb?: string): Shown {
  const { served: _served, ...json } = outcome;
  return { lines: [pausedText(outcome, verb)], json };
}
