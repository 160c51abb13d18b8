import { sameAnswer } from './oracle.js';
import type { Answer, FinalJob, FinalState, HistoryEvent, Work } from './records.js';
import { Known, type Submission } from './submissions.js';

export interface Violation {
  /** Which promise was broken; see `PROMISES`. */
  name: ViolationName;
  detail: string;
}

/** Every way to break one of the nine promises, by name. */
export const PROMISES = {
  lost: '1: an accepted id has neither ended nor is it on its way',
  stuck: '1: an accepted id has not ended long after the last fault',
  'two-states': '1: an id is in more than one state',
  'result-changed': '2: an outcome that was seen is another now',
  'result-missing': '2: a completed job has no result',
  'wrong-answer': '2: a result is not the answer to its input',
  'unexplained-execution': '3: a job ran more often than its failures and expired locks say',
  'unexplained-lapse': '3: a job was counted as lost by its worker, and no worker was lost',
  'unasked-end': '3: a job failed, expired or was cancelled and nothing asked for that',
  'unknown-result': '4: there is a job or result that no one submitted',
  'doubled-job': '5: one id is several jobs',
  'active-without-lock': '6: a job is active and no one holds it',
  conservation: '7: the sum of all states is not what was accepted',
  'group-miscounted': '7: a group does not add up to its chunks',
  'leaked-canary': '8: a payload or a secret is in a log',
  'damage-untold': 'a damaged job has not ended and is not named as damaged',
  'loss-untold': 'all data was deleted, and inspect does not say so',
  'left-running': '9: a process lives on after the stop',
  'left-leased': '9: a heartbeat, lease, lock or connection is left after the stop',
  'left-keys': '7: keys that no retention removes',
  'unbounded-key': '7: a key that has neither a time to live nor a bound, or is beyond it',
  memory: '7: memory does not come back to what it was',
} as const;

export type ViolationName = keyof typeof PROMISES;

export interface Limits {
  /** Bytes that memory may stay above the start, for scripts, streams and fragmentation. */
  memorySlack: number;
  /** A job may be active without a lock this long, until the next recovery pass. */
  unlockedMs: number;
  /** Seconds that a record without a result is kept at least. */
  shortestRecordS: number;
  /** Expired locks that make a job poison, and executions after which a failing job has failed. */
  maxLapses: number;
  maxAttempts: number;
  /** False when no fault keeps a worker from renewing its locks: then none may expire. */
  mayLapse: boolean;
}

export type AnswerOf = (model: Work['model'], row: number) => Answer | undefined;

const ENDED = new Set(['completed', 'failed', 'expired', 'cancelled']);
/** The error with which a job of each model fails when its input causes it. */
const FAILURES: Partial<Record<Work['model'], string>> = { poison: 'RUN_FAILED', bulky: 'RESULT_TOO_LARGE' };
const LOST_RUNNER = new Set(['RUNNER_DIED', 'DEVICE_ERROR']);

/** Pure: checks what the clients saw and what Redis holds against the promises. `now` is the end of the run. */
export function check(
  history: readonly HistoryEvent[],
  state: FinalState,
  answer: AnswerOf,
  limits: Limits,
  now: number,
): Violation[] {
  const found: Violation[] = [];
  const report = (name: ViolationName, detail: string): void => {
    found.push({ name, detail });
  };
  const known = new Known(history);
  const jobs = new Map<string, FinalJob[]>();
  for (const job of state.jobs) jobs.set(job.id, [...(jobs.get(job.id) ?? []), job]);

  let expected = 0;
  let retired = 0;
  let damaged = 0;
  for (const submission of known.submissions.values()) {
    const [job, ...more] = jobs.get(submission.id) ?? [];
    if (more.length > 0) report('doubled-job', `${submission.id} is in ${more.length + 1} queues`);
    if (submission.damaged) {
      // However it ended, it must be reported; nothing else about it counts.
      damaged += job?.places.length ?? 0;
      const ended = job?.state !== undefined && ENDED.has(job.state);
      const told = ended || state.damaged.includes(submission.id) || submission.flushed;
      if (!told) report('damage-untold', `${submission.id} is ${job?.state ?? 'in no state'}`);
      continue;
    }
    if (job === undefined || job.state === 'gone') {
      const mayBeGone =
        submission.resultTtl === 0 && now - submission.firstAt > limits.shortestRecordS * 1000;
      if (job === undefined && mayBeGone && submission.accepted && !submission.flushed) retired += 1;
      else if (!mayBeGone && submission.accepted && !submission.flushed)
        report('lost', `${submission.id} was accepted and is gone`);
      if ((submission.accepted && !submission.flushed) || job !== undefined) expected += 1;
      continue;
    }
    expected += 1;
    checkJob(submission, job, answer, limits, report);
  }
  checkReads(history, known, answer, report);
  for (const job of state.jobs) {
    if (!known.submissions.has(job.id)) report('unknown-result', `job ${job.id} was never submitted`);
  }
  for (const id of state.results) {
    if (!known.submissions.has(id)) report('unknown-result', `a result of ${id}, which was never submitted`);
  }
  const { waiting, delayed, active, terminal } = state.counts;
  const sum = waiting + delayed + active + terminal + retired - damaged;
  if (sum !== expected) {
    report(
      'conservation',
      `${expected} accepted, but ${waiting} waiting + ${delayed} delayed + ${active} active + ${terminal} ended + ${retired} retired = ${sum}`,
    );
  }
  checkGroups(known, state, jobs, report);
  checkRest(state, limits, report);
  if (Number.isFinite(known.flushedAt) && !state.problems.includes('DATA_LOST')) {
    report('loss-untold', `at ${new Date(known.flushedAt).toISOString()}`);
  }
  return found;
}

type Report = (name: ViolationName, detail: string) => void;

function checkJob(
  submission: Submission,
  job: FinalJob,
  answer: AnswerOf,
  limits: Limits,
  report: Report,
): void {
  const { id } = submission;
  const state = job.state ?? 'none';
  const [place, ...others] = job.places;
  if (others.length > 0) report('two-states', `${id} is in ${job.places.join(' and ')}`);
  if (new Set(job.places).size < job.places.length) report('doubled-job', `${id} is twice in ${place}`);
  if (!ENDED.has(state)) report(place === undefined ? 'lost' : 'stuck', `${id} is ${place ?? 'in no list'}`);
  else if (place !== undefined && place !== state) report('two-states', `${id} is ${state} but in ${place}`);
  else if (place === undefined) report('lost', `${id} is ${state} but in no index`);
  if (place === 'active' && !job.locked) report('active-without-lock', `${id} at the end of the run`);
  if (job.executions !== job.settled + job.lapses) {
    const why = `${job.settled} ended and ${job.lapses} lost their lock`;
    report('unexplained-execution', `${id} started ${job.executions} times, but ${why}`);
  }
  if (job.lapses > 0 && !limits.mayLapse) report('unexplained-lapse', `${id}, ${job.lapses} times`);
  if (state === 'completed') {
    if (job.executions < 1) report('unexplained-execution', `${id} is completed and never started`);
    if (submission.resultTtl > 0 && !job.hasResult) report('result-missing', id);
  } else if (job.hasResult && state !== 'failed')
    report('result-changed', `${id} is ${state} and has a result`);
  checkEnding(submission, job, answer, limits, report);
}

/** Only the input, the request or repeated bad luck may end a job as anything but completed. */
function checkEnding(
  submission: Submission,
  job: FinalJob,
  answer: AnswerOf,
  limits: Limits,
  report: Report,
): void {
  const { id } = submission;
  const { failureCode } = job;
  if (job.state === 'expired' && !submission.expires)
    report('unasked-end', `${id} expired without a deadline`);
  const undone = submission.withdrawn && !submission.accepted;
  if (job.state === 'cancelled' && !submission.cancelAsked && !undone) {
    report('unasked-end', `${id} was cancelled, and no one asked for it`);
  }
  if (submission.cancelled && job.state !== 'cancelled') {
    report('result-changed', `${id} was said to be cancelled and is ${job.state}`);
  }
  if (job.state !== 'failed') return;
  const bad = rowsOf(submission).some((row) => answer(submission.work.model, row) === undefined);
  if (bad && failureCode === FAILURES[submission.work.model]) return;
  if (failureCode === 'POISON' && job.lapses >= limits.maxLapses) return;
  if (LOST_RUNNER.has(failureCode ?? '') && job.settled >= limits.maxAttempts) return;
  report('unasked-end', `${id} failed with ${failureCode} after ${job.executions} executions`);
}

function rowsOf({ work }: Submission): number[] {
  return Array.from({ length: work.count }, (_, i) => work.from + i);
}

/** Every outcome that any client saw must be right, the same for all, and never withdrawn. */
function checkReads(history: readonly HistoryEvent[], known: Known, answer: AnswerOf, report: Report): void {
  const seen = new Map<string, string>();
  const told = new Set<string>();
  const once = (name: ViolationName, id: string, detail: string): void => {
    if (!told.has(name + id)) report(name, detail);
    told.add(name + id);
  };
  for (const event of history) {
    if (event.op === 'flush') seen.clear();
    if (event.op !== 'read' || event.type !== 'ok') continue;
    const { id, state = 'none', digest = '' } = event;
    const submission = known.submissions.get(id);
    if (submission === undefined) {
      if (state !== 'unknown') once('unknown-result', id, `${id} was read as ${state} and never submitted`);
      continue;
    }
    if (submission.damaged) continue;
    if (state === 'unknown') {
      const acceptedBefore = submission.acceptedAt !== undefined && submission.acceptedAt < event.t;
      const mayBeGone = submission.resultTtl === 0 || known.wasFlushed(submission, event.t);
      if (acceptedBefore && !mayBeGone) once('lost', id, `${id} was accepted and then unknown`);
      continue;
    }
    const before = seen.get(id);
    if (before !== undefined && before !== digest) {
      once('result-changed', id, `${id} ended, and was then read as ${state} with another outcome`);
    }
    if (!ENDED.has(state)) continue;
    seen.set(id, digest);
    if (state !== 'completed' || submission.resultTtl === 0) continue;
    const rows = rowsOf(submission);
    const answers = event.answers ?? [];
    const right = rows.every((row, i) => {
      const wanted = answer(submission.work.model, row);
      const got = answers[i];
      return wanted !== undefined && got !== undefined && sameAnswer(wanted, got);
    });
    if (!right || answers.length !== rows.length) {
      const wanted = JSON.stringify(rows.slice(0, 3).map((row) => answer(submission.work.model, row)));
      once('wrong-answer', id, `${id} got ${JSON.stringify(answers.slice(0, 3))} for ${wanted}`);
    }
  }
}

function checkGroups(known: Known, state: FinalState, jobs: Map<string, FinalJob[]>, report: Report): void {
  const groups = new Map(state.groups.map((group) => [group.id, group]));
  for (const { id, chunks } of known.groups.values()) {
    const group = groups.get(id);
    if (chunks.some((chunk) => chunk.damaged || chunk.flushed)) continue;
    if (group === undefined) {
      report('lost', `group ${id} was accepted and is gone`);
      continue;
    }
    const ended = chunks.map((chunk) => jobs.get(chunk.id)?.[0]);
    const completed = ended.filter((job) => job?.state === 'completed').length;
    const rows = chunks.reduce(
      (sum, { work }, i) => sum + (ended[i]?.state === 'completed' ? work.count : 0),
      0,
    );
    const fits =
      group.closed &&
      group.jobs === chunks.length &&
      group.completed === completed &&
      group.failed === chunks.length - completed &&
      group.rowsDone === rows;
    if (fits) continue;
    report(
      'group-miscounted',
      `${id} says ${group.completed}+${group.failed} of ${group.jobs} chunks and ${group.rowsDone} rows, closed ${group.closed}; ${completed} of ${chunks.length} chunks and ${rows} rows completed`,
    );
  }
}

function checkRest(state: FinalState, limits: Limits, report: Report): void {
  for (const { id, ms } of state.unlocked) {
    if (ms > limits.unlockedMs) report('active-without-lock', `${id} for ${ms} ms while all was well`);
  }
  for (const leak of state.leaks) report('leaked-canary', leak);
  for (const process of state.processes) report('left-running', process);
  for (const left of [...state.heartbeats, ...state.leases, ...state.locks, ...state.connections]) {
    report('left-leased', left);
  }
  if (state.immortal.length > 0) {
    report('left-keys', `${state.immortal.length}, such as ${state.immortal.slice(0, 5).join(' ')}`);
  }
  for (const key of state.unbounded) report('unbounded-key', key);
  const grown = state.memory.after - state.memory.before;
  if (grown > limits.memorySlack) report('memory', `${grown} bytes more than before the run`);
}
