import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect, it } from 'vitest';

const RUN = fileURLToPath(new URL('../../bench/run.mjs', import.meta.url));

interface Report {
  name: string;
  skipped?: string;
  missing?: string;
  lines: { what: string; ours: number; baseline?: number; ratio?: number }[];
}

async function bench(...args: string[]): Promise<Report> {
  const { stdout } = await execa(process.execPath, [RUN, ...args, '--seconds', '1', '--json']);
  const [report] = (JSON.parse(stdout) as { reports: Report[] }).reports;
  return report as Report;
}

// Speed is not judged here, since the machine is shared: only that each benchmark still measures.
it.each([
  'drain',
  'bulk',
  'latency',
  'mixed',
  'compute',
  'large',
  'submit',
  'lengths',
  'startup',
  'memory',
  'growth',
])(
  'the %s benchmark measures finite figures',
  async (name) => {
    const { lines } = await bench(name);
    expect(lines.length).toBeGreaterThan(0);
    for (const { what, ours, baseline, ratio } of lines) {
      expect([what, Number.isFinite(ours)]).toEqual([what, true]);
      if (baseline !== undefined) expect([what, (ratio ?? 0) > 0]).toEqual([what, true]);
    }
  },
  60_000,
);

it('the celery benchmark measures, or reports what is missing', async () => {
  const { lines, skipped } = await bench('celery');
  if (skipped === undefined) expect(lines[0]?.ratio).toBeGreaterThan(0);
  else expect(skipped).toContain('bench/README.md');
});

it('the gateway benchmark measures, and names the packages that some of its rows need', async () => {
  const { lines, missing } = await bench('gateway');
  for (const { what, ours } of lines) expect([what, Number.isFinite(ours)]).toEqual([what, true]);
  const rows = lines.map(({ what }) => what).join('\n');
  for (const row of [
    'infer, one connection, p50',
    '5 MB binary tensor, one at a time',
    '1000 event streams, idle: gateway',
  ])
    expect(rows).toContain(row);
  if (missing === undefined) expect(rows).toContain('POST /predict');
  else expect(missing).toContain('apt-get install');
}, 180_000);

it('an unknown benchmark name is an error', async () => {
  const { exitCode, stderr } = await execa(process.execPath, [RUN, 'nothing'], { reject: false });
  expect(exitCode).toBe(1);
  expect(stderr).toContain("no benchmark is called 'nothing'");
});
