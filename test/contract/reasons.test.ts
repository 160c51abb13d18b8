import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { NO_ETA, REASONS, type Situation, WHY_CODES } from '../../src/lib/deployment/place/reasons.js';
import { ROOT } from '../support/cli.js';

const PAGE = readFileSync(path.join(ROOT, 'docs/inspect-jobs.md'), 'utf8');

/** A job of model `ocr` in queue `scans`, which no worker serves. */
const SITUATION: Situation = {
  job: { id: 'j', queue: 'scans', state: 'waiting', route: 'ocr', priority: 0, tries: 0 },
  ...{ now: 0, paused: false, full: undefined, moreUrgent: 0, same: 0, highest: 0, busy: undefined },
  ...{ serving: [], able: [], silent: [], draining: [], loading: [], lanes: [] },
};

const text = (cell: string) => cell.trim().replaceAll('`', '');

it('docs/inspect-jobs.md has a row for each reason, in the order of precedence, and no other', () => {
  const [, section = ''] = /\n### Why a job has not started\n([\s\S]*?)\n## /.exec(PAGE) ?? [];
  const rows = [...section.matchAll(/^\| `([A-Z_]+)` *\|([^|]*)\|([^|]*)\|([^|]*)\|$/gm)];
  expect(rows.map(([, code, ...cells]) => [code, ...cells.map(text)])).toEqual(
    WHY_CODES.map((code) => [
      code,
      REASONS[code].meaning,
      REASONS[code].blocks ? 'yes' : '',
      REASONS[code].fix(SITUATION) ?? '',
    ]),
  );
});

it('and names each reason why there is no ETA', () => {
  const [, section = ''] = /\n### ETA\n([\s\S]*?)\n### /.exec(PAGE) ?? [];
  for (const code of Object.keys(NO_ETA)) expect(section).toContain(`\`${code}\` (`);
});
