import { describe, expect, it } from 'vitest';
import type { SimulationJson } from '../../src/lib/scale/simulate-run.js';
import { useInfer } from '../support/cli.js';
import { expectFailure } from '../support/failure.js';

const infer = useInfer();
/** No Redis is running: none of this may need one. */
const alone = { redis: null };

describe('infer autoscale --simulate', () => {
  it('replays a built-in trace with several policies', async () => {
    const args = ['autoscale', '--simulate', 'flash', '--compare', 'step,predictive,fixed:4', '--seeds', '1'];
    const run = await infer.run(args, alone);
    expect(run.exitCode).toBe(0);
    const lines = run.stdout.trimEnd().split('\n');
    expect(lines[0]).toBe(
      'TRACE\tPOLICY\tIN TIME\tGPU-H/H\tMEAN WAIT\tP99 WAIT\tSTARTS/H\tFLIPS/H\tMAKESPAN',
    );
    expect(lines.slice(1).map((line) => line.split('\t').slice(0, 2).join(' '))).toEqual([
      'flash step',
      'flash predictive',
      'flash fixed:4',
    ]);
    expect(run.stderr).toContain(
      'In time: a wait of 10 s at most. Cold start 20 s, 250 ms a job, 1 to 4 workers',
    );
  });

  it('replays a file with its service times, and prints each decision', async () => {
    const file = infer.file(
      'arrivals.csv',
      ['time,service_ms', ...Array.from({ length: 120 }, (_, at) => `${at / 10},1000`)].join('\n'),
    );
    const args = [
      'autoscale',
      '--simulate',
      file,
      '--compare',
      'predictive',
      '--cold-start',
      '5s',
      '--max',
      '8',
    ];
    const run = await infer.run([...args, '--verbose'], alone);
    expect(run.stderr).toMatch(
      /predictive at .+: arrivals\.csv 1→\d: predicted wait .+ jobs\/s in, .+ jobs\/s a worker/,
    );
    const json = await infer.run([...args, '--json'], alone);
    expect(json.stderr).toBe('');
    const simulation = json.json<SimulationJson>();
    // The file's own service time, not the default for other traces.
    expect(run.stderr).toContain('Cold start 5 s, 1 s a job (mean of the file), ');
    expect(simulation).toMatchObject({
      coldStartMs: 5000,
      serviceMs: 1000,
      serviceFromTrace: true,
      max: 8,
      seeds: 3,
      traces: [{ trace: 'arrivals.csv' }],
    });
    const [only] = simulation.traces[0]?.policies ?? [];
    expect(only?.figures).toMatchObject({ jobs: 120, unserved: 0 });
    expect(only?.timeline?.arrivals.reduce((sum, rate) => sum + rate, 0)).toBeCloseTo(120, 0);
    expect(simulation.mean[0]?.figures).toEqual(only?.figures);
  });

  it('reads standard input', async () => {
    const run = await infer.run(['autoscale', '--simulate', '-', '--json'], { ...alone, stdin: '0\n1\n2\n' });
    expect(run.json<SimulationJson>().traces[0]?.policies[0]?.figures.jobs).toBe(3);
  });

  it('runs all traces with three policies and three seeds in seconds', { timeout: 120_000 }, async () => {
    const args = ['autoscale', '--simulate', 'all', '--compare', 'step,predictive,fixed:4', '--json'];
    const started = performance.now();
    const simulation = (await infer.run(args, alone)).json<SimulationJson>();
    // 2.4 s on two quiet cores.
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(simulation.traces).toHaveLength(8);
    const [step, ours] = simulation.mean;
    expect(ours?.figures.slo).toBeGreaterThan(step?.figures.slo ?? 1);
    expect(ours?.figures.gpuHours).toBeLessThan(0.85 * (step?.figures.gpuHours ?? 0));
  });
});

describe('invalid input of infer autoscale --simulate', () => {
  const simulate = (...args: string[]) => ['autoscale', '--simulate', ...args];
  const bad = (name: string, text: string) => () => infer.file(name, text);

  it.each([
    [simulate('flahs'), 66, 'TRACE_UNKNOWN', "'flahs' is neither a trace nor a file", 'did you mean flash?'],
    [simulate('./none.csv'), 66, 'INPUT_MISSING', 'there is no file', 'check the path'],
    [
      simulate('flash', '--compare', 'step,best'),
      2,
      'POLICY',
      "there is no policy 'best'",
      'predictive, step, or fixed:4',
    ],
    [
      simulate('flash', '--compare', 'fixed:9'),
      2,
      'AUTOSCALE_BOUNDS',
      'fixed:9 is outside --min 1 and --max 4',
      '--max 9',
    ],
    [
      simulate('flash', '--min', '5'),
      2,
      'AUTOSCALE_BOUNDS',
      '--min 5 is more than --max 4',
      '--min 4 --max 4',
    ],
    [simulate('flash', '--spare', '5'), 2, 'AUTOSCALE_BOUNDS', '--spare 5 is more than --max 4', '--spare 1'],
    [
      simulate('flash', '--target-wait', '0'),
      2,
      'AUTOSCALE_BOUNDS',
      '--target-wait must be above 0',
      '--target-wait 10s',
    ],
    [
      simulate('flash', '--interval', '1ms'),
      2,
      'AUTOSCALE_BOUNDS',
      '--interval must be at least 100 ms',
      '--interval 2s',
    ],
    [simulate('flash', '--service', '0'), 2, 'USAGE', '--service must be above 0', '--service 250ms'],
    [simulate('flash', '--policy', 'step', '--compare', 'step'), 2, 'USAGE', 'give one of them', '--compare'],
    [simulate('flash', '--cold-start', 'soon'), 2, 'DURATION', "'soon' is not a duration", '500ms'],
    [simulate('flash', '--threshold', '-3'), 2, 'USAGE', 'threshold', '--help'],
    [simulate('flash', '--seeds', '0'), 2, 'USAGE', 'seeds', '--help'],
  ] as const)('is rejected with its fix: %j', async (args, exitCode, code, message, fix) => {
    await expectFailure(infer, args, { exitCode, code, message, fix }, alone);
  });

  it.each([
    ['words.csv', '0\n1\nsoon\n', 'TRACE_TIME', "line 3: 'soon' is not a time of arrival"],
    ['empty.csv', '', 'TRACE_EMPTY', 'empty.csv has no arrivals'],
    ['zero.csv', '0,0\n', 'TRACE_SERVICE', "line 1: '0' is not what a job takes"],
  ])('is rejected with its line: %s', async (name, text, code, message) => {
    const file = bad(name, text)();
    await expectFailure(infer, simulate(file), { exitCode: 65, code, message, fix: 'one job a line' }, alone);
  });
});
