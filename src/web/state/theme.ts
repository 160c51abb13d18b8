import { Observable } from './observable.js';

export type Theme = 'system' | 'light' | 'dark';

const KEY = 'infer-theme';

/** What of `window` the theme needs. */
type Place = Pick<Window, 'localStorage' | 'matchMedia' | 'document'>;

export const theme = new Observable<Theme>('system');
/** Counts changes of what is shown, by the reader or by the system: charts are then drawn again. */
export const themeChanges = new Observable(0);

const changed = () => themeChanges.set(themeChanges.value + 1);

/** Restores the theme that was chosen in this browser, and follows the system's. */
export function startTheme({ localStorage, matchMedia, document }: Place): void {
  const kept = localStorage.getItem(KEY);
  if (kept === 'light' || kept === 'dark') apply(document, kept);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed);
}

export function chooseTheme({ localStorage, document }: Place, chosen: Theme): void {
  if (chosen === 'system') localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, chosen);
  apply(document, chosen);
}

function apply(document: Document, chosen: Theme): void {
  if (chosen === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  theme.set(chosen);
  changed();
}
