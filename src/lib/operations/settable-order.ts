import type { RunnerBounds } from '../config/runner-bounds.js';
import { settingOf } from '../config/settings.js';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import type { Order } from '../queue/broker/control.js';

/**
 * The order that sets one option of a worker, its value checked against the rule of the setting.
 * @throws InferError USAGE (2) for an invalid value.
 */
export function settableOrder(what: string, value: string): Order {
  if (what === 'max-batch') {
    const rows = value === 'auto' ? null : (read('maxBatch', what, value) as number);
    return { verb: 'set', what, value: rows };
  }
  if (what === 'concurrency') return { verb: 'set', what, value: read('concurrency', what, value) as number };
  if (what === 'autoscale')
    return { verb: 'set', what, value: read('autoscale', what, value) as RunnerBounds };
  return { verb: 'set', what: 'log-level', value: read('logLevel', 'log-level', value) as string };
}

function read(
  name: 'maxBatch' | 'concurrency' | 'autoscale' | 'logLevel',
  what: string,
  value: string,
): unknown {
  const { rule } = settingOf(name);
  const fits = rule.read(value);
  if (fits !== undefined) return fits;
  const auto = name === 'maxBatch' ? ', or auto' : '';
  throw new InferError('USAGE', `${what}: '${printable(value)}' is not ${rule.text}${auto}`, {
    hint: `infer control set WORKER ${what} ${rule.example}`,
  });
}
