import { Flags } from '@oclif/core';
import { type JobFilter, type JobFilterInput, parseJobFilter } from '../../queue/read/job-filter.js';
import { SEVERAL } from '../flags.js';

/** Repeated or comma separated; `parseJobFilter` checks the values. */

/** The flags that select jobs, except by state. */
export const JOB_FLAGS = {
  queues: Flags.string({
    ...SEVERAL,
    char: 'Q',
    aliases: ['queue'],
    helpValue: '<names>',
    description: 'only these queues',
  }),
  model: Flags.string({
    ...SEVERAL,
    char: 'm',
    helpValue: '<names>',
    description: 'only jobs of these models',
  }),
  priority: Flags.string({
    ...SEVERAL,
    char: 'p',
    helpValue: '<n|n..n>',
    description: 'only these priorities, such as 9 or 5..9',
  }),
  worker: Flags.string({
    ...SEVERAL,
    char: 'd',
    aliases: ['destination'],
    helpValue: '<names>',
    description: 'only jobs that these workers hold, or held last',
  }),
  'older-than': Flags.string({
    helpValue: '<time>',
    description: 'only jobs in their state for longer than this: 30s, 5m, 2h',
  }),
  error: Flags.string({
    helpValue: '<code|text>',
    description: 'only jobs whose last error has this code, or this in its message',
  }),
};

/** The state flag, with the command's own description. */
export const STATE_FLAG = Flags.custom<string>({
  ...SEVERAL,
  char: 's',
  helpValue: '<states>',
});

/** Parsed values of `JOB_FLAGS`. */
export interface GivenJobFlags {
  queues?: string[] | undefined;
  model?: string[] | undefined;
  priority?: string[] | undefined;
  worker?: string[] | undefined;
  'older-than'?: string | undefined;
  error?: string | undefined;
}

/** @throws InferError FILTER, QUEUE_NAME (exit 2). */
export function filterOf(flags: GivenJobFlags, state: readonly string[] | undefined): JobFilter {
  const input: JobFilterInput = {
    state,
    queue: flags.queues,
    model: flags.model,
    priority: flags.priority,
    worker: flags.worker,
    olderThan: flags['older-than'],
    error: flags.error,
  };
  return parseJobFilter(input);
}
