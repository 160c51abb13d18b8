import type { About, RecentPoint, Snapshot } from '../../lib/serve/dashboard/shapes.js';
import { parseRoute, type Route } from '../route.js';
import { Api } from '../stream/api.js';
import { LiveStream, type StreamState } from '../stream/live-stream.js';
import { adoptToken, forgetToken, keepToken, keptToken } from '../stream/token.js';
import { Actions } from './actions.js';
import type { Received } from './freshness.js';
import { Observable } from './observable.js';
import { type Lanes, NO_LANES, pointOf, withPoint, withWorkers } from './recent.js';

/** Everything that the components follow. One per page. */
export class Dashboard {
  readonly about = new Observable<About | undefined>(undefined);
  readonly stream = new Observable<StreamState>({ kind: 'connecting' });
  readonly received = new Observable<Received | undefined>(undefined);
  readonly points = new Observable<readonly RecentPoint[]>([]);
  readonly lanes = new Observable<Lanes>(NO_LANES);
  /** The deployment's time, once a second. */
  readonly clock = new Observable(Date.now());
  readonly route: Observable<Route>;
  readonly api: Api;
  readonly actions: Actions;
  private readonly live: LiveStream;

  constructor(private readonly page: Window) {
    adoptToken(page);
    const base = page.location.href.replace(/[?#].*$/, '');
    this.api = new Api({ base, token: () => keptToken(page) });
    this.actions = new Actions(this.api);
    this.route = new Observable(parseRoute(page.location.hash));
    this.live = new LiveStream({
      api: this.api,
      onState: (state) => {
        this.stream.set(state);
        // A server that came back may be another version, or allow other things.
        if (state.kind === 'live') void this.readAbout();
      },
      onEvent: (name, data) => {
        if (name === 'snapshot') this.take(data as Snapshot);
        else if (name === 'recent') this.points.set(data as RecentPoint[]);
      },
    });
    page.addEventListener('hashchange', () => {
      adoptToken(page);
      this.route.set(parseRoute(page.location.hash));
    });
    setInterval(() => this.clock.set(this.now()), 1000);
  }

  start(): void {
    void this.readAbout();
    this.live.start();
  }

  pause(): void {
    this.live.pause();
  }

  hasToken(): boolean {
    return keptToken(this.page) !== undefined;
  }

  signIn(token: string): void {
    keepToken(this.page, token);
    this.start();
  }

  signOut(): void {
    forgetToken(this.page);
    this.live.pause();
    this.received.set(undefined);
    this.start();
  }

  /** The deployment's time now: Redis's at the last snapshot, and what has passed since. */
  now(): number {
    const received = this.received.value;
    return received === undefined ? Date.now() : received.snapshot.at + (Date.now() - received.receivedAt);
  }

  private take(snapshot: Snapshot): void {
    this.received.set({ snapshot, receivedAt: Date.now() });
    this.points.set(withPoint(this.points.value, pointOf(snapshot)));
    this.lanes.set(withWorkers(this.lanes.value, snapshot));
  }

  private async readAbout(): Promise<void> {
    try {
      this.about.set(await this.api.get<About>('api/about'));
    } catch {
      // The stream reports what is wrong, and tries again.
    }
  }
}
