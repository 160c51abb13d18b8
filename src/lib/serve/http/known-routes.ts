/**
 * Addresses that a server has, to tell an unknown one from one that does not take the method. Fastify answers both
 * with 404.
 */
export class KnownRoutes {
  private readonly routes: { pattern: RegExp; methods: Set<string> }[] = [];
  private readonly byUrl = new Map<string, Set<string>>();

  /** @param url as it is given to Fastify: `/v1/jobs/:id`, `/v1/*` */
  add(url: string, method: string | string[]): void {
    let methods = this.byUrl.get(url);
    if (methods === undefined) {
      methods = new Set();
      this.byUrl.set(url, methods);
      this.routes.push({ pattern: patternOf(url), methods });
    }
    for (const one of [method].flat()) methods.add(one);
  }

  /** Methods that a path takes, in the order of the alphabet; empty for an unknown path. */
  methodsOf(path: string): string[] {
    const found = this.routes.filter(({ pattern }) => pattern.test(path));
    return [...new Set(found.flatMap(({ methods }) => [...methods]))].sort();
  }
}

function patternOf(url: string): RegExp {
  const source = url
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/\*/g, '.*')
    .replace(/:[A-Za-z]\w*/g, '[^/]+');
  return new RegExp(`^${source}$`);
}
