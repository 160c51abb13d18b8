import { printable } from '../../core/job.js';
import { formatDuration } from '../../core/units.js';
import type { TokenLimits } from '../../serve/auth/caller.js';
import { type Cell, type Column, renderTable } from '../output/table.js';
import type { Layout } from '../output/text.js';

const COLUMNS: Column[] = [
  { title: 'NAME' },
  { title: 'SCOPES' },
  { title: 'MODELS' },
  { title: 'LIMITS' },
  { title: 'SECRET' },
  { title: 'CREATED', align: 'right' },
  { title: 'EXPIRES', align: 'right' },
];

interface ShownToken {
  name: string;
  scopes: readonly string[];
  models: readonly string[] | null;
  limits: TokenLimits | null;
  secrets: readonly { digest: string; createdAt: string; expiresAt: string | null; expired: boolean }[];
}

/** The tokens of a token file, one line for each secret, for `infer token list`. */
export function tokensView(tokens: readonly ShownToken[], layout: Layout, now: number): string[] {
  if (tokens.length === 0 && layout.tty)
    return [layout.paint('dim', 'no token: infer token create NAME makes one')];
  const rows = tokens.flatMap(({ name, scopes, models, limits, secrets }) =>
    secrets.map(({ digest, createdAt, expiresAt, expired }): Cell[] => [
      printable(name),
      scopes.join(','),
      models === null ? 'all' : models.map(printable).join(','),
      limitsText(limits),
      digest,
      `${formatDuration(Math.max(0, now - Date.parse(createdAt)))} ago`,
      expired
        ? { text: 'expired', format: 'red' }
        : expiresAt === null
          ? 'never'
          : `in ${formatDuration(Date.parse(expiresAt) - now)}`,
    ]),
  );
  return renderTable(COLUMNS, rows, layout);
}

function limitsText(limits: TokenLimits | null): string {
  if (limits === null) return 'none';
  const models = Object.entries(limits.models ?? {}).map(
    ([model, own]) => `${printable(model)}: ${numbers(own)}`,
  );
  return [numbers(limits), ...models].filter((text) => text !== '').join('; ');
}

function numbers({ rate, burst, jobs, waiting, open }: Omit<TokenLimits, 'models'>): string {
  return [
    rate === undefined ? '' : `${rate}/s${burst === undefined ? '' : ` burst ${burst}`}`,
    jobs === undefined ? '' : `${jobs} jobs`,
    waiting === undefined ? '' : `${waiting} waiting`,
    open === undefined ? '' : `${open} open`,
  ]
    .filter((text) => text !== '')
    .join(', ');
}
