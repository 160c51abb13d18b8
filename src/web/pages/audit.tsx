import type { AuditRow, AuditPage as Page } from '../../lib/serve/dashboard/shapes.js';
import { count } from '../format/units.js';
import { Name } from '../parts/name.js';
import { Empty, ProblemNotice } from '../parts/notice.js';
import { Status } from '../parts/status.js';
import { DataTable } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { useAnswer, useDashboard, useRoute, useSetParams } from '../state/hooks.js';

const REFRESH_MS = 5000;

/** Who changed what. */
export function AuditPage() {
  const { api } = useDashboard();
  const { who, action } = useRoute().params;
  const setParams = useSetParams();
  const { data, problem, reload } = useAnswer<Page>(
    JSON.stringify([who, action]),
    (signal) => api.get('api/audit', { who, action, limit: '200' }, signal),
    REFRESH_MS,
  );
  const select = (name: string, label: string, value: string | undefined, options: readonly string[]) => (
    <p class="field">
      <label for={name}>{label}</label>
      <select
        id={name}
        value={value ?? ''}
        onChange={(event) => setParams({ [name]: event.currentTarget.value })}
      >
        <option value="">all</option>
        {[...new Set([...(value ? [value] : []), ...options])].map((one) => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
    </p>
  );
  return (
    <>
      <div class="page-head">
        <h1>Audit</h1>
        <form class="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
          {select('who', 'Who', who, data?.people ?? [])}
          {select('action', 'Action', action, data?.actions ?? [])}
        </form>
      </div>
      <div class="stack">
        {problem && <ProblemNotice problem={problem} retry={reload} />}
        {data?.entries.length === 0 && (
          <Empty command="infer control pause batch">
            {who || action
              ? 'No entry matches these filters.'
              : 'Nothing was changed yet. Every action here, in a terminal or by a program leaves an entry, such as:'}
          </Empty>
        )}
        {data && data.entries.length > 0 && <AuditTable rows={data.entries} />}
        {data === undefined && problem === undefined && <p class="quiet">Reading the audit log …</p>}
      </div>
    </>
  );
}

const CHANNELS: Readonly<Record<AuditRow['channel'], string>> = {
  cli: 'command',
  library: 'program',
  http: 'HTTP',
};

function AuditTable({ rows }: { rows: readonly AuditRow[] }) {
  return (
    <DataTable
      caption="Audit log"
      rows={rows}
      rowKey={({ at, who, action, target }) => `${at} ${who} ${action} ${target}`}
      columns={[
        { id: 'at', title: 'Time', class: 'nowrap', cell: ({ at }) => <Time at={at} /> },
        { id: 'who', title: 'Who', cell: ({ who }) => <Name text={who} /> },
        {
          id: 'from',
          title: 'From',
          cell: ({ host, channel }) => <Name text={`${CHANNELS[channel]} on ${host}`} />,
        },
        { id: 'action', title: 'Action', cell: ({ action }) => <Name text={action} /> },
        {
          id: 'target',
          title: 'Target',
          class: 'wide',
          cell: ({ target, detail }) => (
            <>
              <Name text={target} /> {detail && <span class="muted">{detail}</span>}
            </>
          ),
        },
        { id: 'count', title: 'Changed', number: true, cell: ({ count: changed }) => count(changed) },
        {
          id: 'outcome',
          title: 'Outcome',
          cell: ({ outcome }) => (
            <Status
              tone={outcome === 'ok' ? 'good' : outcome === 'partial' ? 'warn' : 'bad'}
              text={outcome}
            />
          ),
        },
        {
          id: 'result',
          title: 'Result',
          class: 'wide',
          cell: ({ result, code }) => (
            <>
              {result} {code !== null && <span class="mono muted">{code}</span>}
            </>
          ),
        },
      ]}
    />
  );
}
