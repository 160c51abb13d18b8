import { expect, it } from 'vitest';
import type { Layout } from '../../../src/lib/cli/output/text.js';
import { revokeView } from '../../../src/lib/cli/views/operations/revoke-view.js';

it.each([
  [{ cancelled: 2, active: 1, newer: 0 }, undefined],
  [{ cancelled: 0, active: 0, newer: 0 }, undefined],
  [{ cancelled: 0, active: 1, newer: 3 }, 3],
  [{ cancelled: 0, active: 0, newer: 3 }, 1],
])('revoking %j ends with exit code %s', (outcome, exitCode) => {
  const shown = revokeView.done({ ...outcome, ended: 0 }, {} as Layout);
  expect(shown.exitCode).toBe(exitCode);
});
