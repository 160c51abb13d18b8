import { createContext } from 'preact';
import { useCallback, useContext, useEffect, useRef, useState } from 'preact/hooks';
import type { Part, Snapshot } from '../../lib/serve/dashboard/shapes.js';
import { type PageName, type Route, routeHref } from '../route.js';
import { RequestError, type RequestProblem, UNREACHABLE } from '../stream/problem.js';
import type { Dashboard } from './dashboard.js';
import type { Observable } from './observable.js';

export const DashboardContext = createContext<Dashboard | undefined>(undefined);

export function useDashboard(): Dashboard {
  const dashboard = useContext(DashboardContext);
  if (dashboard === undefined) throw new Error('no dashboard around this component');
  return dashboard;
}

/** The value, and a new render with each change. */
export function useObservable<T>(observable: Observable<T>): T {
  const [value, setValue] = useState(observable.value);
  useEffect(() => {
    const update = () => setValue(() => observable.value);
    update();
    return observable.follow(update);
  }, [observable]);
  return value;
}

export function useSnapshot(): Snapshot | undefined {
  return useObservable(useDashboard().received)?.snapshot;
}

/** One part of the snapshot; what it last was, while it cannot be read. */
export function usePart<K extends PartName>(name: K): Snapshot[K] | undefined {
  return useSnapshot()?.[name];
}
type PartName = { [K in keyof Snapshot]: Snapshot[K] extends Part<infer _> ? K : never }[keyof Snapshot];

/** The deployment's time, again each second. */
export function useNow(): number {
  return useObservable(useDashboard().clock);
}

export function useRoute(): Route {
  return useObservable(useDashboard().route);
}

/** Changes parameters of the current page in its address, so that it can be shared and the Back button works. */
export function useSetParams(): (change: Readonly<Record<string, string | undefined>>) => void {
  const { route } = useDashboard();
  return useCallback(
    (change) => {
      const { page, item, params } = route.value;
      window.location.hash = routeHref(page, item, { ...params, ...change });
    },
    [route],
  );
}

/** Goes to a page. */
export function openPage(page: PageName, item?: string, params?: Record<string, string | undefined>): void {
  window.location.hash = routeHref(page, item, params);
}

/** The caller may change the deployment. */
export function useControl(): boolean {
  const about = useObservable(useDashboard().about);
  return about?.control === true && about.caller?.control === true;
}

export interface Answer<T> {
  /** The last answer, also while the next is under way. */
  data: T | undefined;
  problem: RequestProblem | undefined;
  loading: boolean;
  reload(): void;
}

/**
 * A GET, sent again when `key` changes, on `reload`, and every `everyMs` while the stream is live.
 * @param key names what is asked; undefined: nothing
 */
export function useAnswer<T>(
  key: string | undefined,
  ask: (signal: AbortSignal) => Promise<T>,
  everyMs?: number,
): Answer<T> {
  const { stream, actions } = useDashboard();
  const [state, setState] = useState<{ key?: string; data?: T; problem?: RequestProblem; loading: boolean }>({
    loading: key !== undefined,
  });
  const [turn, setTurn] = useState(0);
  const latest = useRef(ask);
  latest.current = ask;
  useEffect(() => {
    if (key === undefined) return;
    const stop = new AbortController();
    setState((old) => (old.key === key ? { ...old, loading: true } : { key, loading: true }));
    latest.current(stop.signal).then(
      (data) => !stop.signal.aborted && setState({ key, data, loading: false }),
      (error: unknown) => {
        if (stop.signal.aborted) return;
        const problem = error instanceof RequestError ? error.problem : UNREACHABLE;
        setState((old) => ({ ...old, key, problem, loading: false }));
      },
    );
    return () => stop.abort();
  }, [key, turn]);
  // What was done on the page shows at once, and again when it has ended.
  useEffect(() => actions.changes.follow(() => setTurn((old) => old + 1)), [actions]);
  useEffect(() => {
    if (everyMs === undefined) return;
    const timer = setInterval(() => {
      if (stream.value.kind === 'live' && !document.hidden) setTurn((old) => old + 1);
    }, everyMs);
    return () => clearInterval(timer);
  }, [everyMs, stream]);
  const current = state.key === key;
  return {
    data: current ? state.data : undefined,
    problem: current ? state.problem : undefined,
    loading: state.loading,
    reload: useCallback(() => setTurn((old) => old + 1), []),
  };
}
