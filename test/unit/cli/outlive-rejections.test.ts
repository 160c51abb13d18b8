import { EventEmitter } from 'node:events';
import { expect, it, vi } from 'vitest';
import { outliveRejections } from '../../../src/lib/cli/outlive-rejections.js';

it('a server logs a rejection that no code handles, and runs on', () => {
  const source = new EventEmitter();
  const error = vi.fn();
  outliveRejections({ error } as never, source);
  const err = new Error('a bug');
  source.emit('unhandledRejection', err, Promise.resolve());
  expect(error).toHaveBeenCalledWith({ err }, 'a rejection was not handled');
});
