/** A URL up to the end of its user part. Does not match without a user part. */
const USER_PART = /\b([a-z][a-z0-9+.-]*:\/\/)(\S*@)/gi;

/** `<user>:<password>@`, as placeholders in hints; nothing else has brackets on both sides. */
const TO_FILL_IN = /^(?:<[a-z-]+>)?(?::<[a-z-]+>)?@$/;

/**
 * Redis URLs may contain an unescaped `@` or `/` in the password, so everything up to the last `@` belongs to
 * it.
 */
const OF_REDIS = /^rediss?\b/i;

/**
 * The same text without the user and password of any URL in it: `redis://***@host`. Placeholders such as
 * `redis://:<password>@host` stay, since the hint would be useless without them.
 */
export function withoutCredentials(text: string): string {
  return text.replace(USER_PART, (all: string, scheme: string, rest: string) => {
    const end = OF_REDIS.test(scheme) ? rest.length : endInAuthority(rest);
    if (end === 0 || TO_FILL_IN.test(rest.slice(0, end))) return all;
    return `${scheme}***@${rest.slice(end)}`;
  });
}

/** Where the user part of `user:password@host/p@th` ends; 0 if there is none. */
function endInAuthority(rest: string): number {
  return (rest.split('/', 1)[0] as string).lastIndexOf('@') + 1;
}
