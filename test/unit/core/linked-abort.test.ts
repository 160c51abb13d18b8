import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { linkedAbort } from '../../../src/lib/core/linked-abort.js';

describe('a linked controller', () => {
  it('fires with the other signal, and with its reason', () => {
    const other = new AbortController();
    const { controller } = linkedAbort(other.signal);
    const reason = new Error('left');
    other.abort(reason);
    expect([controller.signal.aborted, controller.signal.reason]).toEqual([true, reason]);
  });

  it('has fired if the other signal had', () => {
    const { controller } = linkedAbort(AbortSignal.abort('gone'));
    expect([controller.signal.aborted, controller.signal.reason]).toEqual([true, 'gone']);
  });

  it('fires alone, and leaves no listener behind', () => {
    const other = new AbortController();
    const { controller, unlink } = linkedAbort(other.signal);
    controller.abort('own');
    expect([controller.signal.reason, other.signal.aborted]).toEqual(['own', false]);
    unlink();
    expect(getEventListeners(other.signal, 'abort')).toEqual([]);
  });
});
