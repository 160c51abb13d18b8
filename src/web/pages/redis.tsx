import type { Finding, RedisPage as Page, RedisRow } from '../../lib/serve/dashboard/shapes.js';
import { bytes, count, duration, percent, perSecond, plural } from '../format/units.js';
import { Command, Notice, PartNotice, ProblemNotice } from '../parts/notice.js';
import { Status, type Tone } from '../parts/status.js';
import { DataTable } from '../parts/table.js';
import { Tile, Tiles } from '../parts/tiles.js';
import { useAnswer, useDashboard, usePart } from '../state/hooks.js';

const REFRESH_MS = 10_000;

/** The Redis server, and what `infer redis-tune` says about its settings. */
export function RedisPage() {
  const { api } = useDashboard();
  const part = usePart('redis');
  const { data, problem, reload } = useAnswer<Page>(
    'redis',
    (signal) => api.get('api/redis', {}, signal),
    REFRESH_MS,
  );
  return (
    <>
      <div class="page-head">
        <h1>Redis</h1>
        {part?.data && (
          <span class="muted">
            {part.data.label}, version {part.data.version}
          </span>
        )}
      </div>
      <div class="stack">
        <PartNotice part={part} what="Redis" />
        {part?.data && <RedisTiles redis={part.data} />}
        <h2>Settings</h2>
        {problem && <ProblemNotice problem={problem} retry={reload} />}
        {data === undefined && problem === undefined && <p class="quiet">Reading the settings …</p>}
        {data && <Tune nodes={data.nodes} />}
        {data?.provider?.notes.map((note) => (
          <Notice key={note} tone="quiet">
            {data.provider?.name}: {note}
          </Notice>
        ))}
        {data?.nodes.map((node) => (
          <section key={node.label} class="stack" aria-label={`Settings of ${node.label}`}>
            {data.nodes.length > 1 && <h3>{node.label}</h3>}
            <Findings findings={node.findings} label={node.label} />
            {node.jobsThatFit !== null && (
              <p class="muted">About {count(node.jobsThatFit)} more jobs fit into its memory.</p>
            )}
          </section>
        ))}
      </div>
    </>
  );
}

/** What the settings come to, and the command that applies what is recommended. */
function Tune({ nodes }: { nodes: Page['nodes'] }) {
  const judged = nodes.flatMap(({ findings }) => findings.map(({ level }) => level));
  const count = (...levels: Finding['level'][]) => judged.filter((level) => levels.includes(level)).length;
  const [wrong, advised] = [count('critical', 'warning'), count('advice')];
  if (wrong + advised === 0) return null;
  return (
    <Notice
      tone={judged.includes('critical') ? 'bad' : wrong > 0 ? 'warn' : 'quiet'}
      fix={wrong > 0 ? 'infer redis-tune apply' : 'infer redis-tune apply --advice'}
    >
      {wrong > 0
        ? `${plural(wrong, 'setting')} should be changed.`
        : `${plural(advised, 'setting')} could be better.`}{' '}
      This command shows the changes and asks first:
    </Notice>
  );
}

function RedisTiles({ redis }: { redis: RedisRow }) {
  const limit = redis.maxMemoryBytes;
  const tone = redis.memory === 'full' ? 'bad' : redis.memory === 'filling' ? 'warn' : undefined;
  return (
    <Tiles label="Redis now">
      <Tile
        title="Memory"
        value={bytes(redis.usedMemoryBytes)}
        note={
          limit === 0
            ? 'no limit'
            : `${percent(redis.usedMemoryBytes / limit)} of ${bytes(limit)}${redis.memory === 'full' ? ': new jobs are refused' : ''}`
        }
        tone={tone}
      />
      <Tile
        title="Evicted keys"
        value={count(redis.evictedKeys)}
        note={`policy ${redis.policy}`}
        tone={redis.evictedKeys > 0 ? 'bad' : undefined}
      />
      <Tile title="Round trip" value={duration(redis.latencyMs)} note="from the dashboard" />
      <Tile title="Commands" value={perSecond(redis.opsPerSecond)} unit="/s" note="of all its clients" />
      <Tile title="Clients" value={count(redis.connectedClients)} note="connections" />
      <Tile
        title="Up for"
        value={duration(redis.uptimeSeconds * 1000)}
        note={redis.source === 'embedded' ? "infer's private server" : 'since its last start'}
      />
    </Tiles>
  );
}

const LEVELS: Readonly<Record<Finding['level'], readonly [rank: number, tone: Tone, text: string]>> = {
  critical: [0, 'bad', 'critical'],
  warning: [1, 'warn', 'warning'],
  advice: [2, 'busy', 'advice'],
  unknown: [3, 'off', 'unknown'],
  ok: [4, 'good', 'fine'],
};

/** What should or could be changed first; settings that are fine are folded away. */
function Findings({ findings, label }: { findings: readonly Finding[]; label: string }) {
  const sorted = [...findings].sort((a, b) => LEVELS[a.level][0] - LEVELS[b.level][0]);
  const fine = sorted.filter(({ level }) => level === 'ok');
  const others = sorted.filter(({ level }) => level !== 'ok');
  return (
    <>
      {others.length > 0 && <FindingTable findings={others} caption={`Settings of ${label}`} />}
      {fine.length > 0 && (
        <details class="fold" open={others.length === 0}>
          <summary>{plural(fine.length, 'setting is fine', 'settings are fine')}</summary>
          <FindingTable findings={fine} caption={`Settings of ${label} that are fine`} />
        </details>
      )}
    </>
  );
}

function FindingTable({ findings, caption }: { findings: readonly Finding[]; caption: string }) {
  const withFix = findings.some(({ fix }) => fix);
  return (
    <DataTable
      caption={caption}
      rows={findings}
      rowKey={({ setting }) => setting}
      columns={[
        { id: 'setting', title: 'Setting', cell: ({ setting }) => <span class="mono">{setting}</span> },
        {
          id: 'level',
          title: 'Judgement',
          cell: ({ level }) => <Status tone={LEVELS[level][1]} text={LEVELS[level][2]} />,
        },
        { id: 'now', title: 'Now', class: 'mono', cell: ({ now }) => now },
        { id: 'wanted', title: 'Recommended', class: 'mono', cell: ({ wanted }) => wanted },
        { id: 'why', title: 'Why', class: 'wide', cell: ({ why }) => <Words text={why} /> },
        ...(withFix
          ? [
              {
                id: 'fix',
                title: 'Fix',
                class: 'wide',
                cell: ({ fix }: Finding) => fix && <Command text={fix} />,
              },
            ]
          : []),
      ]}
    />
  );
}

/** A sentence of the server; words between backticks are code. */
function Words({ text }: { text: string }) {
  return (
    <>{text.split('`').map((part, index) => (index % 2 === 1 ? <code key={part}>{part}</code> : part))}</>
  );
}
