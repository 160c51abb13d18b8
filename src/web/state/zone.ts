import { showIn } from '../format/time.js';
import { Observable } from './observable.js';

/** Times in the zone of the browser, or all in UTC: also by keyboard, and for a reader that cannot hover. */
export type Zone = 'local' | 'utc';

const KEY = 'infer-zone';

type Place = Pick<Window, 'localStorage'>;

export const zone = new Observable<Zone>('local');

/** Restores what was chosen in this browser. */
export function startZone({ localStorage }: Place): void {
  if (localStorage.getItem(KEY) === 'utc') apply('utc');
}

export function chooseZone({ localStorage }: Place, chosen: Zone): void {
  if (chosen === 'local') localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, chosen);
  apply(chosen);
}

function apply(chosen: Zone): void {
  showIn(chosen === 'utc' ? 'UTC' : undefined);
  zone.set(chosen);
}
