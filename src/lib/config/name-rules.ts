import { InferError } from '../core/errors.js';
import { checkQueueName } from '../core/job.js';
import { badName, isName, nameLike, parseModel } from '../core/names.js';
import { OPERATOR_RULE, operatorName } from '../core/operator-name.js';
import { type Rule, textOf } from './rules.js';

/** Queue names, comma separated or as a list, in order and without repeats. */
export function queueNames(): Rule<readonly string[]> {
  return {
    text: 'queue names separated by commas, most urgent first (letters, digits, dot, dash, underscore)',
    example: 'realtime,batch',
    list: true,
    wrong: (raw) => {
      const names = namesIn(raw);
      const message = names.map(wrongQueue).find((wrong) => wrong !== undefined);
      return message === undefined
        ? undefined
        : {
            message,
            example: names.map((name) => (isQueueName(name) ? name : nameLike('queue', name))).join(','),
          };
    },
    read: (raw) => {
      const names = namesIn(raw);
      return names.length > 0 && names.every(isQueueName) ? [...new Set(names)] : undefined;
    },
  };
}

export function queueName(): Rule<string> {
  return {
    text: 'a queue name (letters, digits, dot, dash, underscore, at most 64; not in, res, grp, gone)',
    example: 'realtime',
    wrong: (raw) => {
      const name = textOf(raw);
      const message = name === undefined ? undefined : wrongQueue(name);
      return message === undefined ? undefined : { message, example: nameLike('queue', name as string) };
    },
    read: (raw) => {
      const value = textOf(raw);
      return value !== undefined && isQueueName(value) ? value : undefined;
    },
  };
}

function namesIn(raw: unknown): string[] {
  const parts = (Array.isArray(raw) ? raw : [raw]).flatMap((part) => (textOf(part) ?? '').split(','));
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

/** Why `checkQueueName` rejects it; undefined when it does not. */
function wrongQueue(name: string): string | undefined {
  try {
    checkQueueName(name);
    return undefined;
  } catch (error) {
    if (error instanceof InferError) return error.message;
    throw error;
  }
}

function isQueueName(name: string): boolean {
  return wrongQueue(name) === undefined;
}

/** The name of a model, as in directories, or one version of it. */
export function modelName(): Rule<string> {
  return {
    text: 'a model name, or name@version',
    example: 'digits',
    read: (raw) => {
      const name = textOf(raw);
      return name !== undefined && isName('model', parseModel(name).model) ? name : undefined;
    },
    wrong: (raw) => {
      const name = textOf(raw);
      return name === undefined
        ? undefined
        : { message: badName('model', name), example: nameLike('model', name) };
    },
  };
}

/** The name of an operator in the audit log; the library has the same rule. */
export function operator(): Rule<string> {
  return {
    text: `a name of ${OPERATOR_RULE}`,
    example: 'ada',
    read: (raw) => operatorName(typeof raw === 'string' ? raw : textOf(raw)),
  };
}
