/** The pages, in the order of the navigation. `job` and `model` are reached from lists. */
export const PAGES = {
  overview: 'Overview',
  queues: 'Queues',
  workers: 'Workers',
  models: 'Models',
  jobs: 'Jobs',
  failures: 'Failures',
  autoscaler: 'Autoscaler',
  redis: 'Redis',
  events: 'Events',
  audit: 'Audit',
} as const;

export type PageName = keyof typeof PAGES;

/** What the address names behind its `#`: a page, what it is about, and its filters and range. */
export interface Route {
  page: PageName;
  /** Of `jobs`, `models`, `queues` and `workers`: the one whose details are shown. */
  item: string | undefined;
  params: Readonly<Record<string, string>>;
}

/** `#/jobs?state=failed` or `#/jobs/ID`; anything unknown is the overview. */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split(/\?(.*)/s);
  const [name = '', ...rest] = path.split('/');
  const page: PageName = Object.hasOwn(PAGES, name) ? (name as PageName) : 'overview';
  const item = rest.join('/');
  return {
    page,
    item: item === '' ? undefined : decoded(item),
    params: Object.fromEntries(new URLSearchParams(query)),
  };
}

/** The address of a route; empty parameters are left out. */
export function routeHref(
  page: PageName,
  item?: string,
  params: Readonly<Record<string, string | undefined>> = {},
): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) if (value) query.set(name, value);
  const text = query.toString();
  const path = item === undefined ? page : `${page}/${encodeURIComponent(item)}`;
  return text === '' ? `#/${path}` : `#/${path}?${text}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
