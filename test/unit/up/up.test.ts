import { describe, expect, it } from 'vitest';
import { plain } from '../../../src/lib/cli/output/text.js';
import { checkGatewayArgs, checkNoWords } from '../../../src/lib/cli/up/gateway-args.js';
import { downLines, eventLines, upBanner, upReadyLine } from '../../../src/lib/cli/views/up-view.js';
import { loadSettings } from '../../../src/lib/config/load.js';
import { settingsAsVariables } from '../../../src/lib/config/variables.js';
import { ShownProblems } from '../../../src/lib/up/deployment-watch.js';
import type { UpEvent, UpReady } from '../../../src/lib/up/types.js';
import { autoscaleArgs } from '../../../src/lib/up/worker-wants.js';

const READY: UpReady = {
  pid: 7,
  url: 'http://127.0.0.1:8000',
  dashboard: 'http://127.0.0.1:8000/dashboard/',
  tokens: null,
  redis: { label: 'unix:///tmp/r.sock', source: 'embedded', started: true },
  workers: [{ name: 'up', pid: 8, queues: ['realtime', 'batch'], gpu: null, device: 'cpu' }],
  models: [{ name: 'digits', served: true, curl: "curl http://127.0.0.1:8000/v1/jobs -d '{}'" }],
  missing: [{ code: 'REDIS_POLICY', message: 'Redis may evict jobs', fix: 'infer redis-tune apply' }],
  logs: { gateway: '/state/gateway.log', workers: '/state/workers' },
};

describe('the banner of infer up', () => {
  it('has addresses, workers, a command for each model and what is missing with its fix', () => {
    const banner = { version: '1.2.3', ready: READY, drainTimeoutMs: 30_000 };
    expect(upBanner(banner, { paint: plain })).toEqual([
      'infer up v1.2.3',
      "  redis      unix:///tmp/r.sock (infer's own, started now)",
      '  gateway    http://127.0.0.1:8000',
      '  dashboard  http://127.0.0.1:8000/dashboard/',
      '  docs       http://127.0.0.1:8000/docs',
      '  tokens     none required on this machine',
      '  workers    up  cpu  queues realtime, batch',
      '  logs       /state/gateway.log; infer workers logs NAME',
      "  curl http://127.0.0.1:8000/v1/jobs -d '{}'",
      '! Redis may evict jobs',
      '  Try: infer redis-tune apply',
    ]);
    expect(upReadyLine(banner, false, plain)).toBe(
      'ready http://127.0.0.1:8000 Ctrl-C finishes requests and jobs (30 s each at most); a second one ends at once',
    );
    expect(upReadyLine(banner, true, plain)).toBe('ready http://127.0.0.1:8000 infer down stops it');
  });

  it('says which workers are on which GPU, and shows no control characters', () => {
    const ready: UpReady = {
      ...READY,
      dashboard: null,
      tokens: 2,
      redis: { label: 'redis://a:1', source: 'flag', started: false },
      workers: [{ name: 'up-gpu0\u001b', pid: 1, queues: ['q'], gpu: 'GPU-1', device: null }],
    };
    const lines = upBanner({ version: '1', ready, drainTimeoutMs: 1 }, { paint: plain });
    expect(lines).toContain('  redis    redis://a:1');
    expect(lines).toContain('  tokens   2 tokens');
    expect(lines).toContain('  workers  up-gpu0\\x1b  no model loaded on GPU GPU-1  queues q');
  });
});

describe('the lines of an event', () => {
  const at = new Date(2026, 10, 28, 22, 14, 3);

  it.each<[UpEvent, string[]]>([
    [
      { event: 'started', part: 'worker up', pid: 9, detail: 'cpu' },
      ['22:14:03 ✓ worker up runs (pid 9): cpu'],
    ],
    [
      {
        event: 'ended',
        part: 'gateway',
        reason: 'killed by SIGKILL',
        lines: ['a', 'b\u0007'],
        retryMs: 2000,
      },
      ['22:14:03 ✗ gateway ended: killed by SIGKILL; it is started again in 2 s', '    a', '    b\\x07'],
    ],
    [{ event: 'lost', part: 'redis', reason: 'refused' }, ['22:14:03 ✗ redis does not answer: refused']],
    [{ event: 'back', part: 'redis', downMs: 1400 }, ['22:14:03 ✓ redis answers again, after 1.4 s']],
    [
      { event: 'deployment', kind: 'failures-began', text: 'many jobs fail', alarm: true },
      ['22:14:03 ! many jobs fail'],
    ],
    [{ event: 'deployment', kind: 'change', text: 'ada paused q', alarm: false }, ['22:14:03 ada paused q']],
    [
      { event: 'problem', code: 'QUEUE_PAUSED', message: 'q is paused', fix: 'infer control resume q' },
      ['22:14:03 ! q is paused', '    Try: infer control resume q'],
    ],
    [
      { event: 'problem', code: 'X', message: 'nothing can be typed', fix: '' },
      ['22:14:03 ! nothing can be typed'],
    ],
    [
      { event: 'solved', code: 'QUEUE_PAUSED', message: 'q is paused' },
      ['22:14:03 ✓ no longer: q is paused'],
    ],
    [
      { event: 'stopping' },
      ['22:14:03 stopping: the gateway accepts no new requests; a second Ctrl-C ends at once'],
    ],
    [{ event: 'stopped', part: 'gateway', killed: false }, ['22:14:03 ✓ gateway stopped']],
    [
      { event: 'stopped', part: 'worker up', killed: true },
      ['22:14:03 ! worker up did not stop in time and was killed'],
    ],
    [{ event: 'ready', ...READY }, []],
  ])('%j', (event, lines) => {
    expect(eventLines(event, at, plain)).toEqual(lines);
  });
});

describe('the lines of infer down', () => {
  const workers = [
    { name: 'up', pid: 1, outcome: 'stopped' as const },
    { name: 'b', pid: 2, outcome: 'killed' as const },
  ];

  it('name what was stopped', () => {
    expect(downLines({ pid: 5, outcome: 'stopped', workers }, plain)).toEqual([
      '✓ worker up stopped',
      '! worker b did not stop in time and was killed',
      '✓ infer up stopped (pid 5)',
    ]);
    expect(downLines({ pid: 5, outcome: 'killed', workers: [] }, plain)).toEqual([
      '! infer up did not stop in time and was killed (pid 5)',
    ]);
  });

  it('say when nothing ran, and name workers that were left behind', () => {
    const none = { pid: null, outcome: 'not running' as const };
    expect(downLines({ ...none, workers: [] }, plain)).toEqual(['infer up does not run on this host']);
    expect(downLines({ ...none, workers: workers.slice(0, 1) }, plain)).toEqual(['✓ worker up stopped']);
  });
});

describe('problems that are shown', () => {
  const paused = { code: 'QUEUE_PAUSED', message: 'q is paused', fix: 'infer control resume q' };
  const other = { ...paused, message: 'r is paused', fix: 'infer control resume r' };
  const codes = ({ came, went }: ReturnType<ShownProblems['next']>) => [
    came.map(({ fix }) => fix.at(-1)),
    went.map(({ fix }) => fix.at(-1)),
  ];

  it('come and go after two looks each, and are told once', () => {
    const shown = new ShownProblems();
    shown.begin([]);
    const looks = [[paused], [paused], [paused], [], [], []].map((now) => codes(shown.next(now)));
    expect(looks).toEqual([
      [[], []],
      [['q'], []],
      [[], []],
      [[], []],
      [[], ['q']],
      [[], []],
    ]);
  });

  it('are not told when they were there from the beginning or for one look only', () => {
    const shown = new ShownProblems();
    shown.begin([paused]);
    expect([[paused, other], [paused], [other], [paused]].map((now) => codes(shown.next(now)))).toEqual([
      [[], []],
      [[], []],
      [[], []],
      [[], []],
    ]);
  });

  it('are the same when only a count in their message has changed', () => {
    const shown = new ShownProblems();
    shown.begin([]);
    shown.next([{ ...paused, message: '1 job waits' }]);
    expect(codes(shown.next([{ ...paused, message: '2 jobs wait' }]))).toEqual([['q'], []]);
    expect(codes(shown.next([{ ...paused, message: '3 jobs wait' }]))).toEqual([[], []]);
  });
});

describe('the runners of its worker on the CPU', () => {
  const args = async (env: Record<string, string>, cores: number) =>
    autoscaleArgs(await loadSettings({ env: { HOME: '/nowhere', ...env }, cwd: '/' }), cores);

  it.each([
    [1, []],
    [2, ['--autoscale', '2,1']],
    [3, ['--autoscale', '2,1']],
    [6, ['--autoscale', '3,1']],
    [8, ['--autoscale', '4,1']],
    [64, ['--autoscale', '4,1']],
  ])('on %i cores', async (cores, expected) => {
    expect(await args({}, cores)).toEqual(expected);
  });

  it.each([
    { INFER_CONCURRENCY: '2' },
    { INFER_AUTOSCALE: '3,1' },
    { INFER_REQUIRE_GPU: '1' },
    { INFER_PROVIDER: 'coreml' },
  ])('are left to %j', async (env) => {
    expect(await args(env, 8)).toEqual([]);
  });
});

describe('what is passed on', () => {
  it('settings that were given as flags, as variables', () => {
    expect(settingsAsVariables({ modelsDir: './m', queues: ['a', 'b'], logLevel: 'debug' })).toEqual({
      INFER_MODELS_DIR: './m',
      INFER_QUEUES: 'a,b',
      INFER_LOG_LEVEL: 'debug',
    });
  });

  it.each([['--port'], ['--port=9'], ['--token-file'], ['--allow-control']])(
    'not %s, which infer up has itself',
    (flag) => {
      expect(() => checkGatewayArgs(['--max-waiting', '5', flag])).toThrow(/cannot be given after --/);
    },
  );

  it('other flags of the gateway, and no words', () => {
    checkGatewayArgs(['--max-waiting', '5', '--cors', '*']);
    checkNoWords([]);
    expect(() => checkNoWords(['start'])).toThrow('unexpected argument: start');
  });
});
