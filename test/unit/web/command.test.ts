import { describe, expect, it } from 'vitest';
import { isCommand } from '../../../src/web/format/command.js';

describe('a fix with a button that copies it', () => {
  it.each([
    'infer doctor',
    'infer worker -Q realtime,batch --model digits@2',
    'infer submit examples/one-digit.json --wait',
    "infer retry --error 'the model failed, it says: no'",
    'infer token create NAME --scope read:all --token-file FILE',
    'sudo sysctl vm.overcommit_memory=1',
    'redis-cli config set maxmemory-policy noeviction',
    'npm run build',
  ])('is a command: %s', (text) => expect(isCommand(text)).toBe(true));

  it.each([
    'infer submit prints the id, infer inspect jobs lists those there are.',
    'infer inspect queues lists the queues that there are',
    'infer workers list shows what runs',
    'infer serve starts one; check the address and its port',
    'infer doctor queue-damage names it',
    'infer worker, to see what it waits for',
    'infer control purge QUEUE --state failed forgets them',
    'infer token create web --token-file tokens.json, then add --token-file tokens.json',
    'there is no queue at all yet',
    'inference is slow',
  ])('is no command: %s', (text) => expect(isCommand(text)).toBe(false));
});
