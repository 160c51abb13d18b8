import { Flags } from '@oclif/core';
import { settingFlags, wholeFlag } from '../flags.js';

/** Flags of the live loop, in addition to the command's own. */
export const liveFlags = {
  gpus: Flags.string({
    helpValue: 'all|none|<ids>',
    description: 'GPUs to use: indices or UUIDs, comma separated [default: all]',
  }),
  'workers-per-gpu': wholeFlag({ min: 1, max: 64, description: 'workers that share a GPU [default: 1]' }),
  'dry-run': Flags.boolean({ description: 'only show what would be done' }),
  once: Flags.boolean({ description: 'decide once and exit; workers keep running' }),
  'on-exit': Flags.option({ options: ['keep', 'drain'] as const })({
    description: 'what happens to the workers on exit [default: keep]',
  }),
  ...settingFlags('drainTimeout'),
};
