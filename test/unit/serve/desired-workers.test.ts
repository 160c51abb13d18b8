import { expect, it } from 'vitest';
import { type ErrorCode, errorFacts } from '../../../src/lib/core/error-table.js';
import { InferError } from '../../../src/lib/core/errors.js';
import { DesiredWorkers } from '../../../src/lib/serve/desired-workers.js';

it.each<ErrorCode>(['REDIS_UNREACHABLE', 'REDIS_WRONGTYPE', 'NO_ANSWER', 'QUEUE_UNKNOWN'])(
  'a failure with %s is answered with the status that the table gives it',
  async (code) => {
    const desired = new DesiredWorkers('p', () => Promise.reject(new InferError(code, 'it failed')));
    const { status, body } = await desired.handle('q', new URLSearchParams());
    expect(status).toBe(errorFacts(code).httpStatus);
    expect(body).toMatchObject({ error: { code, message: 'it failed' } });
    expect(body).not.toHaveProperty('desiredWorkers');
    // Of a failure on this side, the last number stands.
    expect('held' in (body as object)).toBe(status >= 500);
  },
);
