import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { unauditedChanges } from './changes.js';
import type { SourceFile } from './house.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

function sources(): SourceFile[] {
  return readdirSync(path.join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .map((file) => ({
      path: path.relative(root, file).replaceAll(path.sep, '/'),
      text: readFileSync(file, 'utf8'),
    }));
}

describe('code that changes a deployment', () => {
  it('goes through operations/, so that every change leaves an audit entry', () => {
    expect(unauditedChanges(sources())).toEqual([]);
  });

  it.each([
    [
      'a function of the queue',
      'src/commands/a.ts',
      "import { purge } from '../lib/queue/broker/purge.js';",
      'purge',
    ],
    [
      'among others, over several lines',
      'src/lib/cli/a.ts',
      "import {\n  settleArrivals,\n  Mover,\n} from '../queue/broker/move.js';",
      'Mover',
    ],
    [
      'under another name',
      'src/lib/serve/a.ts',
      "import { writeAudit as note } from '../queue/audit.js';",
      'writeAudit',
    ],
    [
      'late',
      'src/commands/a.ts',
      "const { Producer } = await import('../lib/queue/broker/producer.js');",
      'Producer',
    ],
    ['shown to others', 'src/lib/cli/a.ts', "export { applyPlans } from '../tune/apply.js';", 'applyPlans'],
    ['a method of the client', 'src/commands/a.ts', 'await client.retryFailed(queue);', 'retryFailed'],
  ])('is reported when it bypasses operations/: %s', (_, file, text, name) => {
    const found = unauditedChanges([{ path: file, text }]);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(name);
  });

  it.each([
    ['what only reads', 'src/commands/a.ts', "import { readAudit } from '../lib/queue/audit.js';"],
    ['a type', 'src/lib/cli/a.ts', "import { type Order } from '../queue/broker/control.js';"],
    ['an operation', 'src/lib/operations/a.ts', "import { purge } from '../queue/broker/purge.js';"],
    ['what is only said', 'src/lib/cli/a.ts', "// client.cancel(id)\nconst hint = 'client.cancel(id)';"],
  ])('is not confused with %s', (_, file, text) => {
    expect(unauditedChanges([{ path: file, text }])).toEqual([]);
  });
});
