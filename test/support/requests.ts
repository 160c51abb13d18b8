/** A client's request: its command in lower case and its arguments, as sent. */
export type Request = readonly string[];

/** A request that the server answers with `token`, after it has run all earlier requests. */
export function echo(token: string): string {
  return `*2\r\n$4\r\nECHO\r\n$${token.length}\r\n${token}\r\n`;
}

/** The end of the first request in `bytes`; undefined when it is incomplete. */
export function requestEnd(bytes: Buffer): number | undefined {
  const head = lineAt(bytes, 0);
  if (head === undefined) return undefined;
  let at = head.next;
  for (let left = head.count; left > 0; left--) {
    const size = lineAt(bytes, at);
    if (size === undefined) return undefined;
    at = size.next + size.count + 2;
  }
  return at <= bytes.length ? at : undefined;
}

/** A complete request. */
export function parseRequest(bytes: Buffer): Request {
  const parts: string[] = [];
  let at = lineAt(bytes, 0)?.next ?? 0;
  for (let size = lineAt(bytes, at); size !== undefined; size = lineAt(bytes, at)) {
    parts.push(bytes.toString('latin1', size.next, size.next + size.count));
    at = size.next + size.count + 2;
  }
  return [(parts[0] ?? '').toLowerCase(), ...parts.slice(1)];
}

/** The number of a line such as `*3` or `$14`, and where the next line begins. */
function lineAt(bytes: Buffer, at: number): { count: number; next: number } | undefined {
  const end = bytes.indexOf('\r\n', at);
  return end < 0 ? undefined : { count: Number(bytes.toString('latin1', at + 1, end)), next: end + 2 };
}
