import { InferError } from '../../core/errors.js';
import { checkQueueName, type Priority } from '../../core/job.js';
import { describe } from '../../model/value-words.js';

/** Parameters of a request that infer uses; all others are the caller's own and are ignored. */
export interface RequestParameters {
  /** In infer's order, 9 is the most urgent; undefined for the default. */
  priority: Priority | undefined;
  /** Milliseconds after which the request is no longer started. */
  expiresMs: number | undefined;
  queue: string | undefined;
  /** Outputs are binary unless one says otherwise. */
  binaryOutput: boolean;
}

type Fields = Record<string, unknown>;

const MICROSECONDS_PER_MS = 1000;
const SEQUENCE = ['sequence_id', 'sequence_start', 'sequence_end'] as const;

/**
 * Parses the parameters of an inference request.
 * @throws InferError QUEUE_NAME; PARAMETER for a wrong type, a reserved name (`triton_…`), or a sequence.
 */
export function readParameters(given: unknown): RequestParameters {
  const fields = parametersOf(given, 'parameters');
  const reserved = Object.keys(fields).find((name) => name.startsWith('triton_'));
  if (reserved !== undefined) {
    throw new InferError('PARAMETER', `parameters: names that start with triton_ are reserved`, {
      hint: 'give your own parameters other names',
    });
  }
  // Models keep no state between requests: ignoring this would give wrong results.
  const sequence = SEQUENCE.find((name) => ![undefined, 0, '', false].includes(fields[name] as undefined));
  if (sequence !== undefined) {
    throw new InferError('PARAMETER', `parameters.${sequence}: sequences of requests are not supported`, {
      hint: 'pass state as an input of the model and take it from an output',
    });
  }
  const { queue } = fields;
  if (queue !== undefined && typeof queue !== 'string') throw wrong('queue', queue, 'the name of a queue');
  if (queue !== undefined) checkQueueName(queue);
  const timeout = count(fields, 'timeout') ?? 0;
  return {
    priority: priorityOf(count(fields, 'priority') ?? 0),
    expiresMs: timeout === 0 ? undefined : Math.ceil(timeout / MICROSECONDS_PER_MS),
    queue,
    binaryOutput: flag(fields, 'binary_data_output', 'parameters') ?? false,
  };
}

/**
 * The protocol's priority in infer's order. There 1 is the most urgent and 0 the default; here 9 is the most
 * urgent and 0 the default. So 1 is 9, 2 is 8, and 10 or more is 0.
 */
function priorityOf(priority: number): Priority | undefined {
  return priority === 0 ? undefined : (Math.max(0, 10 - priority) as Priority);
}

/** An object of parameters; empty if there is none. @throws InferError PARAMETER for anything else. */
export function parametersOf(given: unknown, where: string): Fields {
  if (given === undefined) return {};
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return given as Fields;
  throw new InferError('PARAMETER', `${where}: ${describe(given)} found where an object is expected`);
}

/** @throws InferError PARAMETER for a tensor in shared memory, which is not supported. */
export function refuseSharedMemory(fields: Fields, where: string): void {
  if (fields.shared_memory_region === undefined) return;
  throw new InferError('PARAMETER', `${where}.shared_memory_region: shared memory is not supported`, {
    hint: 'send and receive the tensor in the body, as binary data',
  });
}

/** A parameter that is true or false. @throws InferError PARAMETER. */
export function flag(fields: Fields, name: string, where: string): boolean | undefined {
  const value = fields[name];
  if (value === undefined || typeof value === 'boolean') return value;
  throw new InferError('PARAMETER', `${where}.${name}: ${describe(value)} found, not true or false`);
}

/** A parameter that is a whole number of at least 0. */
function count(fields: Fields, name: string): number | undefined {
  const value = fields[name];
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0)) return value as number;
  throw wrong(name, value, 'a whole number of 0 or more');
}

function wrong(name: string, value: unknown, wanted: string): InferError {
  return new InferError('PARAMETER', `parameters.${name}: ${describe(value)} found, not ${wanted}`);
}
