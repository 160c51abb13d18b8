const KEY = 'infer-token';

/** What of `window` the token needs. */
export interface TokenPlace {
  location: { hash: string; pathname: string; search: string };
  history: { replaceState(data: unknown, unused: string, url: string): void };
  sessionStorage: {
    getItem(key: string): string | null;
    setItem(key: string, value: string): void;
    removeItem(key: string): void;
  };
}

/**
 * Takes the token out of a link such as `…/#token=inf_…`, keeps it for this tab, and removes it from the address, so
 * that it is in no bookmark and no copied link. A fragment is never sent to a server.
 */
export function adoptToken(place: TokenPlace): void {
  const match = /^#token=([^&]+)(?:&(.*))?$/.exec(place.location.hash);
  if (match?.[1] === undefined) return;
  keepToken(place, decoded(match[1]));
  const rest = match[2] === undefined ? '' : `#${match[2]}`;
  place.history.replaceState(null, '', place.location.pathname + place.location.search + rest);
}

export function keepToken(place: Pick<TokenPlace, 'sessionStorage'>, token: string): void {
  place.sessionStorage.setItem(KEY, token.trim());
}

export function forgetToken(place: Pick<TokenPlace, 'sessionStorage'>): void {
  place.sessionStorage.removeItem(KEY);
}

export function keptToken(place: Pick<TokenPlace, 'sessionStorage'>): string | undefined {
  return place.sessionStorage.getItem(KEY) ?? undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
