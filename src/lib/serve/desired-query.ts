import { closestWord } from '../config/suggest.js';
import { InferError } from '../core/errors.js';
import { checkQueueName, printable } from '../core/job.js';
import { parseDuration } from '../core/units.js';
import { checkPolicyConfig, choosePolicy } from '../scale/choose-policy.js';
import type { Policy, PolicyConfig } from '../scale/policy.js';

/** The request of `/autoscale/<queue>?…`. */
export interface DesiredQuery {
  readonly queues: readonly string[];
  readonly config: PolicyConfig;
  readonly policy: Policy;
}

const PARAMETERS = ['min', 'max', 'spare', 'threshold', 'targetWait', 'policy'] as const;
type Parameter = (typeof PARAMETERS)[number];

const DEFAULT_MIN = 1;
const DEFAULT_MAX = 4;
const DEFAULT_TARGET_MS = 10_000;
const DEFAULT_POLICY = 'predictive';
/**
 * Approximate polling interval of KEDA: three missed polls count as a time without data, after which nothing
 * is stopped at first.
 */
const INTERVAL_MS = 5000;
/** A real pool does not have more queues than this. */
const MOST_QUEUES = 32;

/**
 * The queues in the path, one or several served by the same workers, and the bounds in the query.
 * @throws InferError QUEUE_NAME, PARAMETER, DURATION, POLICY, AUTOSCALE_BOUNDS (2).
 */
export function readQuery(path: string, query: URLSearchParams): DesiredQuery {
  const names = path.split(',');
  if (names.length > MOST_QUEUES) throw wrong(`more than ${MOST_QUEUES} queues`, '/autoscale/realtime,batch');
  const queues = [...new Set(names.map(checkQueueName))];
  const given = parametersOf(query);
  try {
    const config = checkPolicyConfig({
      min: whole('min', given.min) ?? DEFAULT_MIN,
      max: whole('max', given.max) ?? DEFAULT_MAX,
      spare: whole('spare', given.spare) ?? 0,
      threshold: whole('threshold', given.threshold) ?? null,
      targetWaitMs: given.targetWait === undefined ? DEFAULT_TARGET_MS : duration(given.targetWait),
      intervalMs: INTERVAL_MS,
    });
    return { queues, config, policy: choosePolicy(given.policy ?? DEFAULT_POLICY, config) };
  } catch (error) {
    throw inParameters(error);
  }
}

function parametersOf(query: URLSearchParams): Partial<Record<Parameter, string>> {
  const given: Partial<Record<Parameter, string>> = {};
  for (const [name, value] of query) {
    const known = PARAMETERS.find((parameter) => parameter === name);
    if (known === undefined) {
      const near = closestWord(name, PARAMETERS);
      const meant = near === undefined ? '' : `did you mean ${near}? `;
      throw wrong(`there is no parameter '${printable(name)}'`, `${meant}there is: ${PARAMETERS.join(', ')}`);
    }
    if (given[known] !== undefined) throw wrong(`${known} is given twice`, `${known}=… once`);
    given[known] = value;
  }
  return given;
}

function whole(name: Parameter, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,6}$/.test(text)) throw wrong(`${name} '${printable(text)}' is not a whole number`, `${name}=4`);
  return Number(text);
}

function duration(text: string): number {
  try {
    return parseDuration(text);
  } catch {
    throw wrong(`targetWait '${printable(text)}' is not a duration`, 'targetWait=10s');
  }
}

/** The same error is used for commands; here flags are parameters. */
function inParameters(error: unknown): unknown {
  if (!(error instanceof InferError)) return error;
  const worded = (text: string) =>
    text
      .replaceAll('--target-wait', 'targetWait')
      .replaceAll(/--(\w+) (?=\d)/g, '$1=')
      .replaceAll('--', '');
  const { message, hint } = error;
  return error.reworded(worded(message), hint && worded(hint).replaceAll(' ', '&'));
}

function wrong(message: string, hint: string): InferError {
  return new InferError('PARAMETER', message, { hint });
}
