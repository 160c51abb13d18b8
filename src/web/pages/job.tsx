import { useEffect, useState } from 'preact/hooks';
import type { JobPage, PayloadPreview } from '../../lib/serve/dashboard/shapes.js';
import { utcTime } from '../format/time.js';
import { bytes, count, duration, plural } from '../format/units.js';
import { ActionButton } from '../parts/action-button.js';
import { Name } from '../parts/name.js';
import { Command, Notice, ProblemNotice } from '../parts/notice.js';
import { JobStatus } from '../parts/status.js';
import { DataTable } from '../parts/table.js';
import { Facts, Reading } from '../parts/tiles.js';
import { Time } from '../parts/time.js';
import { routeHref } from '../route.js';
import { useAnswer, useControl, useDashboard, useNow } from '../state/hooks.js';
import { modelRunOf, type Phase, phasesOf } from '../state/phases.js';

/** A job that has not ended changes while it is looked at; one that has may still be run again. */
const OPEN_MS = 2000;
const ENDED_MS = 15_000;

export function JobDetailPage({ id }: { id: string }) {
  const { api } = useDashboard();
  const path = `api/jobs/${encodeURIComponent(id)}`;
  const [ended, setEnded] = useState(false);
  const { data, problem, reload } = useAnswer<JobPage>(
    id,
    (signal) => api.get(path, {}, signal),
    ended ? ENDED_MS : OPEN_MS,
  );
  const finishedAt = data?.job.finishedAt;
  useEffect(() => setEnded(typeof finishedAt === 'number'), [finishedAt]);
  return (
    <>
      <div class="page-head">
        <h1>
          <a href={routeHref('jobs')}>Jobs</a> / <span class="id">{id}</span>
        </h1>
      </div>
      <div class="stack">
        {problem && <ProblemNotice problem={problem} retry={reload} />}
        {problem?.status === 404 && (
          <p>
            It may have expired, or be the id of a group:{' '}
            <a href={routeHref('jobs', undefined, { id })}>list the jobs of group {id}</a>.
          </p>
        )}
        {data === undefined && problem === undefined && <Reading what="the job" />}
        {data && <JobDetail page={data} path={path} />}
      </div>
    </>
  );
}

function JobDetail({ page, path }: { page: JobPage; path: string }) {
  const { job, place } = page;
  return (
    <>
      <div class="row">
        <JobStatus state={job.state} />
        {job.cancelAsked && <span class="muted">its worker was asked to cancel it</span>}
        {page.can.rerun && <ActionButton action={{ action: 'retry', id: job.id }}>Run again</ActionButton>}
        {page.can.cancel && (
          <ActionButton danger action={{ action: 'cancel', id: job.id }}>
            Cancel
          </ActionButton>
        )}
        {page.can.priority && <PriorityForm id={job.id} priority={job.priority} />}
      </div>
      {job.error && (
        <Notice tone="bad">
          <span class="mono">{job.error.code}</span> {job.error.message}
        </Notice>
      )}
      {place && <Place place={place} />}
      <JobFacts job={job} />
      <Waterfall page={page} />
      <Payload title="Input" kept={job.input} path={`${path}/input`} none="The input is no longer kept." />
      <Payload
        title="Result"
        kept={job.result}
        path={`${path}/result`}
        none={job.finishedAt === null ? 'There is no result yet.' : 'No result is kept.'}
      />
    </>
  );
}

/** Why it has not started, where it stands, and when it may. */
function Place({ place }: { place: NonNullable<JobPage['place']> }) {
  const { why, position, eta, noEta } = place;
  const ahead = position?.jobsAhead;
  return (
    <section class="stack" aria-label="Why it waits">
      <Notice tone="quiet" fix={why.fix}>
        <strong>Why it waits:</strong> {why.text}.
      </Notice>
      <Facts
        facts={[
          [
            'Jobs that go first',
            ahead === undefined
              ? undefined
              : ahead === 0
                ? 'none: it is the next of its queue'
                : `${count(ahead)}, about ${plural(position?.rowsAheadEstimate ?? 0, 'row')}`,
          ],
          [
            'Probably starts in',
            eta === null ? undefined : `${duration(eta.startMs.p50)} to ${duration(eta.startMs.p90)}`,
          ],
          [
            'Probably ends in',
            eta === null ? undefined : `${duration(eta.endMs.p50)} to ${duration(eta.endMs.p90)}`,
          ],
          ['Estimated from', eta?.basis],
          // Often the very reason why it waits, which is said above.
          ['No estimate', noEta?.text === why.text ? undefined : noEta?.text],
        ]}
      />
    </section>
  );
}

function JobFacts({ job }: { job: JobPage['job'] }) {
  const { group, runAt, finishedAt, startedAt, deadline } = job;
  return (
    <Facts
      facts={[
        [
          'Queue',
          <a key="queue" href={routeHref('queues', job.queue)}>
            {job.queue}
          </a>,
        ],
        [
          'Model',
          <a key="model" href={routeHref('models', job.model.replace(/@\d+$/, ''))}>
            {job.model}
            {job.modelVersion !== null && !job.model.includes('@') && `@${job.modelVersion}`}
          </a>,
        ],
        ['Rows', count(job.rows)],
        ['Priority', String(job.priority)],
        [
          'Group',
          group === null ? undefined : (
            <a key="group" href={routeHref('jobs', undefined, { id: group.id })}>
              {group.id}, chunk {group.index}
            </a>
          ),
        ],
        ['Submitted', <Time key="submitted" at={job.submittedAt} />],
        ['May run at', runAt === null ? undefined : <Time key="run" at={runAt} />],
        ['Started', startedAt === null ? undefined : <Time key="started" at={startedAt} />],
        ['Ended', finishedAt === null ? undefined : <Time key="ended" at={finishedAt} />],
        ['Must start before', deadline === null ? undefined : <Time key="deadline" at={deadline} />],
        ['Wait until its run', job.queueMs === null ? undefined : duration(job.queueMs)],
        ['Run of the model', job.runMs === null ? undefined : duration(job.runMs)],
        ['Total, until its end', job.totalMs === null ? undefined : duration(job.totalMs)],
        [
          'Attempts',
          job.attemptsAllowed === null ? count(job.attempts) : `${job.attempts} of ${job.attemptsAllowed}`,
        ],
        ['Workers lost', job.losses === 0 ? undefined : count(job.losses)],
        [
          'Worker',
          job.worker === null ? undefined : (
            <a key="worker" href={routeHref('workers', job.worker)}>
              {job.worker}
              {job.device !== null && ` on ${job.device}`}
            </a>
          ),
        ],
        ['Lock', job.lockMs === null ? undefined : `renewed within ${duration(job.lockMs)}`],
        ['Time limit', job.timeLimitMs === null ? undefined : duration(job.timeLimitMs)],
        ['Submitted by', job.owner ?? undefined],
        ['Record kept for', job.recordExpiresInMs === null ? undefined : duration(job.recordExpiresInMs)],
      ]}
    />
  );
}

function Waterfall({ page: { job, timeline, forgotten } }: { page: JobPage }) {
  const now = useNow();
  const phases = phasesOf(timeline, now, modelRunOf(job));
  const from = phases[0]?.from;
  const to = phases.at(-1)?.to;
  if (from === undefined || to === undefined) return null;
  return (
    <section class="stack" aria-labelledby="timeline">
      <h2 id="timeline">Timeline</h2>
      {forgotten > 0 && <p class="muted">{plural(forgotten, 'earlier start')} of which nothing is kept</p>}
      <DataTable
        caption="Timeline of the job"
        class="waterfall"
        rows={phases}
        rowKey={(phase) => `${phase.from} ${phase.name}`}
        columns={[
          {
            id: 'phase',
            title: 'Phase',
            class: 'nowrap',
            cell: ({ name, within }) => (within ? <span class="within">{name}</span> : name),
          },
          {
            id: 'from',
            title: 'From',
            hint: 'Since it was submitted',
            number: true,
            cell: (phase) => <span title={utcTime(phase.from)}>+{duration(phase.from - from)}</span>,
          },
          { id: 'took', title: 'Took', number: true, cell: (phase) => duration(phase.to - phase.from) },
          {
            id: 'worker',
            title: 'Worker',
            cell: ({ worker }) => worker !== undefined && <Name text={worker} />,
          },
          { id: 'end', title: 'Until', class: 'wide', cell: ({ end }) => end },
          { id: 'bar', title: 'Over time', cell: (phase) => <PhaseBar phase={phase} from={from} to={to} /> },
        ]}
      />
    </section>
  );
}

function PhaseBar({ phase, from, to }: { phase: Phase; from: number; to: number }) {
  const whole = Math.max(1, to - from);
  const x = ((phase.from - from) / whole) * 1000;
  const width = Math.max(3, ((phase.to - phase.from) / whole) * 1000);
  return (
    <svg viewBox="0 0 1000 16" preserveAspectRatio="none" aria-hidden="true">
      <rect class={phase.kind} x={Math.min(x, 997)} y="3" width={width} height="10" />
    </svg>
  );
}

function PriorityForm({ id, priority }: { id: string; priority: number }) {
  const { actions } = useDashboard();
  if (!useControl()) return null;
  return (
    <span class="row">
      <label for="priority">Priority</label>
      <select
        id="priority"
        value={String(priority)}
        onChange={(event) =>
          void actions.begin({ action: 'priority', id, priority: Number(event.currentTarget.value) })
        }
      >
        {[9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((one) => (
          <option key={one} value={String(one)}>
            {one}
          </option>
        ))}
      </select>
    </span>
  );
}

/** The first values of an input or a result: read only on a click, since it may be large or confidential. */
function Payload(props: { title: string; kept: JobPage['job']['input']; path: string; none: string }) {
  const { title, kept, path, none } = props;
  const { api } = useDashboard();
  const [open, setOpen] = useState(false);
  const { data, problem } = useAnswer<PayloadPreview>(open ? path : undefined, (signal) =>
    api.get(path, {}, signal),
  );
  return (
    <section class="stack" aria-label={title}>
      <h2>{title}</h2>
      {kept === null ? (
        <p class="muted">{none}</p>
      ) : (
        <p class="row">
          <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? `Hide the ${title.toLowerCase()}` : `Show the ${title.toLowerCase()}`}
          </button>
          <span class="muted">
            {bytes(kept.bytes)}
            {kept.expiresInMs !== null && `, kept for ${duration(kept.expiresInMs)}`}
          </span>
        </p>
      )}
      {open && problem && <ProblemNotice problem={problem} />}
      {open && data && <Preview preview={data} />}
    </section>
  );
}

function Preview({ preview }: { preview: PayloadPreview }) {
  if (preview.tooLarge) {
    return (
      <p>
        {bytes(preview.bytes)} is too large to show. <Command text="infer result ID --output result.json" />
      </p>
    );
  }
  return (
    <DataTable
      caption="First values of each tensor"
      rows={preview.tensors}
      rowKey={({ name }) => name}
      columns={[
        {
          id: 'name',
          title: 'Name',
          cell: ({ name }) => (
            <span class="mono">
              <Name text={name} />
            </span>
          ),
        },
        { id: 'type', title: 'Type', cell: ({ type }) => type },
        { id: 'shape', title: 'Shape', class: 'nowrap', cell: ({ shape }) => shape.join(' × ') },
        { id: 'size', title: 'Size', number: true, cell: (tensor) => bytes(tensor.bytes) },
        {
          id: 'values',
          title: 'First values',
          class: 'wide mono',
          cell: ({ values, cut }) => values.map(written).join(', ') + (cut ? ', …' : ''),
        },
      ]}
    />
  );
}

function written(value: unknown): string {
  if (typeof value === 'number') return String(Number(value.toPrecision(6)));
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
