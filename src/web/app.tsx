import { useEffect, useRef, useState } from 'preact/hooks';
import { printable } from './format/printable.js';
import { zoneName } from './format/time.js';
import { count } from './format/units.js';
import { AuditPage } from './pages/audit.js';
import { AutoscalerPage } from './pages/autoscaler.js';
import { EventsPage } from './pages/events.js';
import { FailuresPage } from './pages/failures.js';
import { JobsPage } from './pages/jobs.js';
import { ModelsPage } from './pages/models.js';
import { OverviewPage } from './pages/overview.js';
import { QueuesPage } from './pages/queues.js';
import { RedisPage } from './pages/redis.js';
import { SignInPage } from './pages/sign-in.js';
import { WorkersPage } from './pages/workers.js';
import { ConfirmDialog } from './parts/confirm.js';
import { Notice } from './parts/notice.js';
import { Outcomes } from './parts/outcomes.js';
import { Ago, Elapsed } from './parts/time.js';
import { Preferences, TopBar } from './parts/top-bar.js';
import { PAGES, type PageName, routeHref } from './route.js';
import { useDashboard, useNow, useObservable, useRoute, useSnapshot } from './state/hooks.js';
import { chooseZone, zone } from './state/zone.js';

const COMPONENTS = {
  overview: OverviewPage,
  queues: QueuesPage,
  workers: WorkersPage,
  models: ModelsPage,
  jobs: JobsPage,
  failures: FailuresPage,
  autoscaler: AutoscalerPage,
  redis: RedisPage,
  events: EventsPage,
  audit: AuditPage,
} as const satisfies Record<PageName, unknown>;

export function App() {
  const { stream } = useDashboard();
  const state = useObservable(stream);
  const { page, item } = useRoute();
  const times = useObservable(zone);
  const main = useRef<HTMLElement>(null);
  const shown = useRef<string | undefined>(undefined);
  const place = `${page}/${item ?? ''}`;
  useEffect(() => {
    // A reader that follows the focus is taken to the new page; the first one begins at the top.
    if (shown.current !== undefined && shown.current !== place) {
      main.current?.focus();
      window.scrollTo(0, 0);
    }
    shown.current = place;
  }, [place]);
  if (state.kind === 'refused') return <SignInPage problem={state.problem} />;
  const Page = COMPONENTS[page];
  return (
    <>
      <Title page={page} item={item} />
      <TopBar>
        <a
          class="skip"
          href={routeHref(page, item)}
          onClick={(event) => {
            event.preventDefault();
            main.current?.focus();
          }}
        >
          Skip to the page
        </a>
      </TopBar>
      <div class="shell">
        <Navigation page={page} />
        <main ref={main} tabIndex={-1}>
          <Away />
          <Page key={`${place} ${times}`} />
          <Foot />
        </main>
      </div>
      <ConfirmDialog />
      <Outcomes />
    </>
  );
}

/** The title of the tab, with the number of problems in front: the page may be one among many. */
function Title({ page, item }: { page: PageName; item: string | undefined }) {
  const problems = useSnapshot()?.problems.data?.length ?? 0;
  useEffect(() => {
    document.title = `${problems > 0 ? `(${problems}) ` : ''}${printable(item ?? PAGES[page])} · infer`;
  }, [problems, item, page]);
  return null;
}

function Navigation({ page }: { page: PageName }) {
  const [open, setOpen] = useState(false);
  const snapshot = useSnapshot();
  const totals = snapshot?.totals.data;
  const counts: Partial<Record<PageName, readonly [number, boolean]>> = {
    overview: [snapshot?.problems.data?.length ?? 0, true],
    queues: [totals?.queues ?? 0, false],
    workers: [totals?.workers ?? 0, false],
    models: [snapshot?.models.data?.length ?? 0, false],
    failures: [totals?.failed ?? 0, false],
    autoscaler: [snapshot?.autoscalers.data?.length ?? 0, false],
  };
  return (
    <nav class="nav" aria-label="Pages" data-open={String(open)}>
      <button type="button" class="nav-toggle" aria-expanded={open} onClick={() => setOpen(!open)}>
        Pages: {PAGES[page]}
      </button>
      <ul>
        {(Object.entries(PAGES) as [PageName, string][]).map(([name, title]) => {
          const [number, alarm] = counts[name] ?? [0, false];
          return (
            <li key={name}>
              <a
                href={routeHref(name)}
                aria-current={name === page ? 'page' : undefined}
                onClick={() => setOpen(false)}
              >
                {title}
                {number > 0 && (
                  <span class={alarm ? 'count alarm' : 'count'}>
                    {count(number)}
                    {alarm && <span class="visually-hidden"> problems</span>}
                  </span>
                )}
              </a>
            </li>
          );
        })}
      </ul>
      <Preferences />
    </nav>
  );
}

/** Says when what is shown is old, and why. */
function Away() {
  const { stream } = useDashboard();
  const state = useObservable(stream);
  const snapshot = useSnapshot();
  if (state.kind === 'waiting') {
    return (
      <Notice tone="bad" role="status" fix={state.problem.hint}>
        {state.problem.message} The page tries again by itself
        {snapshot && (
          <>
            ; shown as of <Ago at={snapshot.at} />
          </>
        )}
        .
      </Notice>
    );
  }
  if (snapshot !== undefined && snapshot.redisAwaySince !== null) {
    return (
      <Notice tone="bad" role="status" fix="infer doctor">
        Redis has not answered for <Elapsed since={snapshot.redisAwaySince} />. The figures are the last that
        are known.
      </Notice>
    );
  }
  return snapshot === undefined ? <p class="quiet">Reading the deployment …</p> : null;
}

function Foot() {
  const about = useObservable(useDashboard().about);
  const inUtc = useObservable(zone) === 'utc';
  const name = zoneName(useNow());
  return (
    <p class="foot">
      {inUtc || name === 'UTC' ? 'Times in UTC.' : `Times in ${name}; UTC on hover.`}{' '}
      {(inUtc || name !== 'UTC') && (
        <>
          <button type="button" class="small" onClick={() => chooseZone(window, inUtc ? 'local' : 'utc')}>
            {inUtc ? 'Show local times' : 'Show all in UTC'}
          </button>{' '}
        </>
      )}
      {about && `infer ${about.version}.`}
    </p>
  );
}
