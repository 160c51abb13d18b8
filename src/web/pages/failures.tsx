import type { FailuresPage as Page } from '../../lib/serve/dashboard/shapes.js';
import { count, plural } from '../format/units.js';
import { ActionButton, NoControlNote } from '../parts/action-button.js';
import { Name, Names } from '../parts/name.js';
import { Command, Empty, ProblemNotice } from '../parts/notice.js';
import { DataTable } from '../parts/table.js';
import { Ago } from '../parts/time.js';
import { routeHref } from '../route.js';
import { useAnswer, useControl, useDashboard, useRoute, useSetParams } from '../state/hooks.js';

/** Failures change slowly, and counting them costs Redis more than a glance. */
const REFRESH_MS = 10_000;

/** Failed jobs by error. */
export function FailuresPage() {
  const { api } = useDashboard();
  const { queue, model } = useRoute().params;
  const setParams = useSetParams();
  const control = useControl();
  const { data, problem, reload } = useAnswer<Page>(
    JSON.stringify([queue, model]),
    (signal) => api.get('api/failures', { queue, model }, signal),
    REFRESH_MS,
  );
  const about = [queue && `queue ${queue}`, model && `model ${model}`].filter(Boolean).join(', ');
  return (
    <>
      <div class="page-head">
        <h1>Failures</h1>
        {about !== '' && (
          <span class="row">
            of <Name text={about} />
            <button
              type="button"
              class="small"
              onClick={() => setParams({ queue: undefined, model: undefined })}
            >
              Show all
            </button>
          </span>
        )}
      </div>
      <div class="stack">
        {problem && <ProblemNotice problem={problem} retry={reload} />}
        {data?.groups.length === 0 && (
          <Empty command="infer inspect failed">
            No failed jobs{about && ` of ${about}`}: one that failed long ago is no longer kept. In a
            terminal:
          </Empty>
        )}
        {data && data.groups.length > 0 && (
          <>
            <p class="muted">
              {data.looked < data.total
                ? `The latest ${count(data.looked)} of ${plural(data.total, 'failed job')}`
                : plural(data.total, 'failed job')}
            </p>
            <DataTable
              caption="Failures by error"
              rows={data.groups}
              rowKey={({ code }) => code}
              columns={[
                {
                  id: 'code',
                  title: 'Error',
                  cell: ({ code, meaning }) => (
                    <>
                      <span class="mono">{code}</span>
                      {meaning !== null && <div class="muted">{meaning}</div>}
                    </>
                  ),
                },
                {
                  id: 'jobs',
                  title: 'Jobs',
                  number: true,
                  cell: ({ jobs, filter }) => (
                    <a href={routeHref('jobs', undefined, { ...filter, state: 'failed' })}>{count(jobs)}</a>
                  ),
                },
                { id: 'first', title: 'First', number: true, cell: ({ firstAt }) => <Ago at={firstAt} /> },
                { id: 'last', title: 'Last', number: true, cell: ({ lastAt }) => <Ago at={lastAt} /> },
                { id: 'queues', title: 'Queues', cell: ({ queues }) => <Names texts={queues} /> },
                { id: 'models', title: 'Models', cell: ({ models }) => <Names texts={models} /> },
                {
                  id: 'message',
                  title: 'Latest message',
                  class: 'wide',
                  cell: ({ message, example }) => (
                    <>
                      {message} <a href={routeHref('jobs', example)}>Show this job</a>
                    </>
                  ),
                },
                {
                  id: 'fix',
                  title: control ? 'Actions' : 'To run them again',
                  cell: ({ code, filter, fix }) =>
                    control ? (
                      <ActionButton
                        action={{ action: 'retry', filter }}
                        label={`Run all again: jobs that failed with ${code}`}
                      >
                        Run all again
                      </ActionButton>
                    ) : (
                      <Command text={fix} />
                    ),
                },
              ]}
            />
          </>
        )}
        {data === undefined && problem === undefined && <p class="quiet">Reading the failures …</p>}
        <NoControlNote />
      </div>
    </>
  );
}
