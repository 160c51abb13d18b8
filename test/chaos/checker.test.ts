import { describe, expect, it } from 'vitest';
import { check, type Limits, type ViolationName } from './checker.js';
import { isFault, schedule, TROUBLES } from './faults.js';
import { random } from './random.js';
import type { Answer, FinalJob, FinalState, HistoryEvent } from './records.js';
import { recoveries } from './recovery.js';
import { unanswered } from './submissions.js';

const LIMITS: Limits = {
  memorySlack: 1000,
  unlockedMs: 1000,
  shortestRecordS: 60,
  maxLapses: 3,
  maxAttempts: 3,
  mayLapse: true,
};
const answer = (model: string, row: number): Answer | undefined =>
  (model === 'poison' || model === 'bulky') && row === 7 ? undefined : [row, row % 10];

interface Run {
  history: HistoryEvent[];
  state: FinalState;
}

let clock = 0;
function event(fields: Pick<HistoryEvent, 'op' | 'type' | 'id'> & Partial<HistoryEvent>): HistoryEvent {
  return { t: ++clock, process: 'client', ...fields };
}

function job(id: string, fields: Partial<FinalJob> = {}): FinalJob {
  const state = fields.state ?? 'completed';
  return {
    id,
    queue: 'realtime',
    state,
    places: [state],
    locked: false,
    hasResult: state === 'completed',
    executions: 1,
    settled: 1,
    lapses: 0,
    failureCode: undefined,
    worker: 'one',
    finishedOn: 1000,
    ...fields,
  };
}

const submit = (id: string, from: number, more: Partial<HistoryEvent> = {}): HistoryEvent[] => [
  event({
    op: 'submit',
    type: 'invoke',
    id,
    work: { model: 'slow', from, count: 1 },
    resultTtl: 3600,
    ...more,
  }),
  event({ op: 'submit', type: 'ok', id }),
];
const read = (id: string, from: number, more: Partial<HistoryEvent> = {}): HistoryEvent =>
  event({
    op: 'read',
    type: 'ok',
    id,
    state: 'completed',
    digest: id,
    answers: [[from, from % 10]],
    ...more,
  });

/** A small run with every feature: a retry, an expired lock, a group, a cancel, a deadline, a bad input. */
function good(): Run {
  const history = [
    ...submit('plain', 1),
    ...submit('twice', 2),
    ...submit('twice', 2),
    event({ op: 'submit', type: 'invoke', id: 'maybe', work: { model: 'slow', from: 3, count: 1 } }),
    event({ op: 'submit', type: 'info', id: 'maybe', code: 'NO_ANSWER' }),
    event({ op: 'submit', type: 'invoke', id: 'never', work: { model: 'slow', from: 4, count: 1 } }),
    event({ op: 'submit', type: 'info', id: 'never', code: 'NO_ANSWER' }),
    ...submit('late', 5, { expires: true }),
    ...submit('unwanted', 6),
    event({ op: 'cancel', type: 'invoke', id: 'unwanted' }),
    event({ op: 'cancel', type: 'ok', id: 'unwanted', state: 'cancelled' }),
    ...submit('bad', 7, { work: { model: 'poison', from: 7, count: 1 } }),
    ...submit('brief', 8, { resultTtl: 0 }),
    event({
      op: 'group',
      type: 'invoke',
      id: 'g',
      work: { model: 'slow', from: 20, count: 5 },
      chunkRows: 3,
    }),
    event({ op: 'group', type: 'ok', id: 'g', jobs: 2 }),
    read('plain', 1),
    read('twice', 2),
    read('plain', 1),
  ];
  const state: FinalState = {
    jobs: [
      job('plain'),
      job('twice', { executions: 3, settled: 2, lapses: 1 }),
      job('maybe'),
      job('late', { state: 'expired', executions: 0, settled: 0 }),
      job('unwanted', { state: 'cancelled', executions: 0, settled: 0 }),
      job('bad', { state: 'failed', failureCode: 'RUN_FAILED' }),
      job('g-0', { queue: 'batch' }),
      job('g-1', { queue: 'batch' }),
    ],
    groups: [{ id: 'g', closed: true, jobs: 2, completed: 2, failed: 0, rowsDone: 5 }],
    counts: { waiting: 0, delayed: 0, active: 0, terminal: 8 },
    results: ['plain', 'twice', 'maybe', 'g-0', 'g-1'],
    damaged: [],
    problems: [],
    unlocked: [{ id: 'twice', ms: 600 }],
    processes: [],
    heartbeats: [],
    leases: [],
    locks: [],
    connections: [],
    immortal: [],
    unbounded: [],
    kinds: [],
    leaks: [],
    memory: { before: 5000, after: 5200 },
  };
  return { history, state };
}

function names({ history, state }: Run, limits = LIMITS): ViolationName[] {
  const found = check(history, state, answer, limits, clock + 3_600_000);
  return [...new Set(found.map(({ name }) => name))].sort();
}

const one = (run: Run, id: string): FinalJob => run.state.jobs.find((each) => each.id === id) as FinalJob;
const change = (id: string, fields: Partial<FinalJob>) => (run: Run) =>
  void Object.assign(one(run, id), fields);
const left = (fields: Partial<FinalState>) => (run: Run) => void Object.assign(run.state, fields);

describe('the checker', () => {
  it('accepts a run in which every promise was kept', () => {
    expect(names(good())).toEqual([]);
  });

  it.each<[string, (run: Run) => void, ViolationName[]]>([
    [
      'a dropped job',
      (run) => {
        run.state.jobs = run.state.jobs.filter(({ id }) => id !== 'plain');
        run.state.counts.terminal -= 1;
      },
      ['conservation', 'lost'],
    ],
    [
      'a job that is nowhere but in its record',
      change('plain', { state: undefined, places: [], hasResult: false }),
      ['lost'],
    ],
    [
      'an accepted job that a client was told is unknown',
      (run) => run.history.push(read('plain', 1, { state: 'unknown' })),
      ['lost'],
    ],
    [
      'a job that never ends',
      change('plain', { state: undefined, places: ['prioritized'], hasResult: false }),
      ['stuck'],
    ],
    ['a job in two states', change('plain', { places: ['completed', 'failed'] }), ['two-states']],
    ['an index that says another state', change('plain', { places: ['cancelled'] }), ['two-states']],
    ['a doubled job', (run) => run.state.jobs.push(job('plain', { queue: 'batch' })), ['doubled-job']],
    [
      'an id twice in a list',
      change('plain', { places: ['completed', 'completed'] }),
      ['doubled-job', 'two-states'],
    ],
    [
      'a doubled result',
      (run) => run.history.push(read('twice', 2, { digest: 'another' })),
      ['result-changed'],
    ],
    [
      'an end that is taken back',
      (run) => run.history.push(read('plain', 1, { state: 'active', digest: 'a' })),
      ['result-changed'],
    ],
    [
      'a cancelled job that completed',
      change('unwanted', {
        state: 'completed',
        places: ['completed'],
        hasResult: true,
        executions: 1,
        settled: 1,
      }),
      ['result-changed'],
    ],
    ['a wrong answer', (run) => run.history.push(read('maybe', 4)), ['wrong-answer']],
    [
      'an answer to another row of the job',
      (run) =>
        run.history.push(
          read('g-0', 0, {
            answers: [
              [20, 0],
              [22, 2],
              [21, 1],
            ],
          }),
        ),
      ['wrong-answer'],
    ],
    ['an answer for too few rows', (run) => run.history.push(read('g-1', 23)), ['wrong-answer']],
    ['an answer to a bad input', (run) => run.history.push(read('bad', 7)), ['wrong-answer']],
    ['a completed job without a result', change('plain', { hasResult: false }), ['result-missing']],
    ['an execution that nothing explains', change('plain', { executions: 2 }), ['unexplained-execution']],
    [
      'a result without an execution',
      change('plain', { executions: 0, settled: 0 }),
      ['unexplained-execution'],
    ],
    [
      'a good input that failed',
      change('plain', { state: 'failed', places: ['failed'], failureCode: 'RUN_FAILED' }),
      ['unasked-end'],
    ],
    [
      'poison after one crash',
      change('plain', { state: 'failed', places: ['failed'], failureCode: 'POISON', settled: 0, lapses: 1 }),
      ['unasked-end'],
    ],
    [
      'an expiry without a deadline',
      change('plain', { state: 'expired', places: ['expired'], hasResult: false }),
      ['unasked-end'],
    ],
    [
      'a cancel that no one asked for',
      change('plain', { state: 'cancelled', places: ['cancelled'], hasResult: false }),
      ['unasked-end'],
    ],
    [
      'a job that no one submitted',
      (run) => {
        run.state.jobs.push(job('ghost'));
        run.state.counts.terminal += 1;
      },
      ['conservation', 'unknown-result'],
    ],
    ['a result of an id that no one submitted', (run) => run.state.results.push('ghost'), ['unknown-result']],
    [
      'active without a lock at the end',
      change('plain', { state: undefined, places: ['active'], hasResult: false }),
      ['active-without-lock', 'stuck'],
    ],
    [
      'active without a lock for too long',
      left({ unlocked: [{ id: 'plain', ms: 1001 }] }),
      ['active-without-lock'],
    ],
    [
      'a sum that does not fit',
      left({ counts: { waiting: 0, delayed: 1, active: 0, terminal: 8 } }),
      ['conservation'],
    ],
    [
      'a group that counts a chunk twice',
      (run) => Object.assign(run.state.groups[0] as object, { completed: 3, rowsDone: 8 }),
      ['group-miscounted'],
    ],
    ['a group that is gone', left({ groups: [] }), ['lost']],
    ['a leaked canary', left({ leaks: ['worker-one.log: canary'] }), ['leaked-canary']],
    ['a process that lives on', left({ processes: ['123 of worker one'] }), ['left-running']],
    ['a heartbeat that is left', left({ heartbeats: ['heartbeat of w1'] }), ['left-leased']],
    ['a GPU that is still leased', left({ leases: ['lease of w1'] }), ['left-leased']],
    ['a connection that is left', left({ connections: ['connection of w1'] }), ['left-leased']],
    ['keys that never expire', left({ immortal: ['in:plain'] }), ['left-keys']],
    ['a key without a bound', left({ unbounded: ['in:plain (input) has no TTL'] }), ['unbounded-key']],
    ['memory that grew', left({ memory: { before: 5000, after: 6001 } }), ['memory']],
  ])('reports %s by name', (_, plant, expected) => {
    const run = good();
    plant(run);
    expect(names(run)).toEqual(expected);
  });
});

describe('an expired lock', () => {
  it('is reported unless a fault explains it', () => {
    expect(names(good(), { ...LIMITS, mayLapse: false })).toEqual(['unexplained-lapse']);
    const run = good();
    change('twice', { executions: 2, lapses: 0 })(run);
    expect(names(run, { ...LIMITS, mayLapse: false })).toEqual([]);
  });
});

describe('a loss of all data', () => {
  const flush = () => event({ op: 'flush', type: 'ok', id: '' });
  const emptied = (problems: string[]): Run => {
    const run = good();
    run.history.push(flush());
    Object.assign(run.state, { jobs: [], groups: [], results: [], problems });
    run.state.counts = { waiting: 0, delayed: 0, active: 0, terminal: 0 };
    return run;
  };

  it('excuses jobs queued before the loss if inspect reports DATA_LOST', () => {
    expect(names(emptied(['DATA_LOST']))).toEqual([]);
    expect(names(emptied([]))).toEqual(['loss-untold']);
  });

  it('excuses an unknown read of a job queued before the loss, but not of one queued after it', () => {
    const run = emptied(['DATA_LOST']);
    run.history.push(read('plain', 1, { state: 'unknown' }), ...submit('plain', 1), ...submit('later', 9));
    expect(names(run)).toEqual(['conservation', 'lost']);
    run.state.jobs.push(job('plain'), job('later'));
    run.state.counts.terminal = 2;
    expect(names(run)).toEqual([]);
    run.history.push(read('later', 9, { state: 'unknown' }));
    expect(names(run)).toEqual(['lost']);
  });

  it('excuses an unknown read between two losses when the job is submitted again', () => {
    const run = emptied(['DATA_LOST']);
    run.history.push(read('plain', 1, { state: 'unknown' }), ...submit('plain', 1), flush());
    run.history.push(...submit('plain', 1), read('plain', 1));
    run.state.jobs.push(job('plain'));
    run.state.counts.terminal = 1;
    expect(names(run)).toEqual([]);
  });

  it('allows a job that is submitted again one different outcome', () => {
    const run = emptied(['DATA_LOST']);
    run.history.push(...submit('unwanted', 6), read('unwanted', 6), read('unwanted', 6));
    run.state.jobs.push(job('unwanted'));
    run.state.counts.terminal = 1;
    expect(names(run)).toEqual([]);
    run.history.push(read('unwanted', 6, { digest: 'another' }));
    expect(names(run)).toEqual(['result-changed']);
  });
});

describe('a damaged job', () => {
  const damage = (id: string) => event({ op: 'damage', type: 'ok', id });

  it('may end in any way, but only that job', () => {
    const run = good();
    run.history.push(damage('plain'), damage('g-1'));
    change('plain', { state: 'failed', places: ['failed'], hasResult: false, failureCode: 'JOB_DAMAGED' })(
      run,
    );
    change('g-1', { executions: 4 })(run);
    run.state.groups = [];
    expect(names(run)).toEqual([]);
    change('maybe', { state: 'failed', places: ['failed'], hasResult: false, failureCode: 'JOB_DAMAGED' })(
      run,
    );
    expect(names(run)).toEqual(['unasked-end']);
  });

  it('must be reported while it has not ended', () => {
    const run = good();
    run.history.push(damage('plain'));
    change('plain', { state: undefined, places: [], hasResult: false })(run);
    run.state.counts.terminal -= 1;
    expect(names(run)).toEqual(['damage-untold']);
    run.state.damaged = ['plain'];
    expect(names(run)).toEqual([]);
  });
});

describe('a group that one of its senders withdraws', () => {
  const sent = (...more: HistoryEvent[]): Run => {
    const run = good();
    const work = { model: 'slow' as const, from: 40, count: 2 };
    run.history.push(event({ op: 'group', type: 'invoke', id: 'w', work, resultTtl: 3600, chunkRows: 1 }));
    run.history.push(...more);
    run.state.jobs.push(job('w-0'), job('w-1', { state: 'cancelled', hasResult: false }));
    run.state.counts.terminal += 2;
    return run;
  };
  const withdraw = event({ op: 'withdraw', type: 'info', id: 'w' });

  it('may be cancelled in part', () => {
    expect(names(sent(withdraw))).toEqual([]);
    expect(names(sent())).toEqual(['unasked-end']);
  });

  it('is complete when another of them was told that it is', () => {
    expect(names(sent(withdraw, event({ op: 'group', type: 'ok', id: 'w', jobs: 2 })))).toContain(
      'unasked-end',
    );
  });
});

describe('a result that is larger than the server accepts', () => {
  const bulky = (failureCode: string): Run => {
    const run = good();
    run.history.push(...submit('bulk', 7, { work: { model: 'bulky', from: 7, count: 1 } }));
    run.state.jobs.push(job('bulk', { state: 'failed', failureCode }));
    run.state.counts.terminal += 1;
    return run;
  };

  it('fails its job with RESULT_TOO_LARGE and no other code', () => {
    expect(names(bulky('RESULT_TOO_LARGE'))).toEqual([]);
    expect(names(bulky('RUN_FAILED'))).toEqual(['unasked-end']);
  });
});

describe('a killed client', () => {
  it('sends unanswered requests again, in the form it last sent them', () => {
    const work = { model: 'slow' as const, from: 3, count: 1 };
    const history = [
      ...submit('done', 1),
      event({ op: 'submit', type: 'invoke', id: 'open', work, queue: 'batch' }),
      event({ op: 'submit', type: 'info', id: 'open', code: 'NO_ANSWER' }),
      event({ op: 'group', type: 'invoke', id: 'g', work, chunkRows: 3 }),
      event({ op: 'cancel', type: 'invoke', id: 'done' }),
    ];
    expect(unanswered(history).map(({ op, id, queue }) => [op, id, queue])).toEqual([
      ['submit', 'open', 'batch'],
      ['group', 'g', undefined],
    ]);
  });
});

describe('a chaos run', () => {
  const FAULT_KINDS = TROUBLES.filter(isFault);

  it('injects the same faults in the same order for the same seed', () => {
    const first = (seed: number) => {
      const kinds = schedule(FAULT_KINDS, random(seed));
      return Array.from({ length: 30 }, () => kinds.next().value);
    };
    expect(first(42)).toEqual(first(42));
    expect(first(42)).not.toEqual(first(43));
    expect(new Set(first(42).slice(0, FAULT_KINDS.length)).size).toBe(FAULT_KINDS.length);
  });

  it('measures recovery until the jobs held at the fault have ended, otherwise until the next completion', () => {
    const jobs = [
      job('held', { finishedOn: 9000 }),
      job('before', { finishedOn: 4000 }),
      job('next', { finishedOn: 5500, worker: 'two' }),
      job('own', { finishedOn: 6000 }),
    ];
    const faults = [
      { kind: 'worker-kill', at: 5000, detail: '', held: ['held'] },
      { kind: 'redis-kill', at: 5000, detail: '', held: [] },
      { kind: 'runner-kill', at: 5000, detail: '', held: [], worker: 'one' },
      { kind: 'runner-kill', at: 9500, detail: '', held: [] },
    ];
    expect(recoveries(faults, jobs, [])).toEqual([
      { kind: 'redis-kill', seconds: [0.5] },
      { kind: 'runner-kill', seconds: [1, null] },
      { kind: 'worker-kill', seconds: [4] },
    ]);
  });
});
