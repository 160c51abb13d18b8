/**
 * Cycles in a graph, one for each set of nodes that reach one another: a shortest one through its first node, in the
 * order of its edges.
 */
export function circles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const seen = new Set<string>();
  const found: string[][] = [];
  for (const node of [...graph.keys()].sort()) {
    if (seen.has(node)) continue;
    const circle = shortestCircle(graph, node);
    if (circle === undefined) continue;
    found.push(circle);
    for (const one of component(graph, node)) seen.add(one);
  }
  return found;
}

/** From a node back to it by the fewest edges; undefined when there is no such path. */
function shortestCircle(graph: ReadonlyMap<string, readonly string[]>, node: string): string[] | undefined {
  const cameFrom = new Map<string, string>();
  const next = [node];
  for (let at = next.shift(); at !== undefined; at = next.shift()) {
    for (const to of graph.get(at) ?? []) {
      if (to === node) return wayTo(cameFrom, node, at);
      if (cameFrom.has(to)) continue;
      cameFrom.set(to, at);
      next.push(to);
    }
  }
  return undefined;
}

function wayTo(cameFrom: ReadonlyMap<string, string>, node: string, end: string): string[] {
  const way: string[] = [];
  for (let at: string | undefined = end; at !== undefined && at !== node; at = cameFrom.get(at))
    way.unshift(at);
  return [node, ...way];
}

/** Nodes that a node reaches and that reach it. */
function component(graph: ReadonlyMap<string, readonly string[]>, node: string): string[] {
  return [...reached(graph, node)].filter((other) => reached(graph, other).has(node));
}

function reached(graph: ReadonlyMap<string, readonly string[]>, node: string): Set<string> {
  const all = new Set<string>();
  const next = [node];
  for (let at = next.pop(); at !== undefined; at = next.pop()) {
    for (const to of graph.get(at) ?? []) {
      if (all.has(to)) continue;
      all.add(to);
      next.push(to);
    }
  }
  return all;
}
