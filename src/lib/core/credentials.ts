/** A URL up to the end of its user part. What has no user part does not match. */
const USER_PART = /\b([a-z][a-z0-9+.-]*:\/\/)(\S*@)/gi;

/** `<user>:<password>@`, as hints write it for a reader to fill in; nothing else has brackets on both sides. */
const TO_FILL_IN = /^(?:<[a-z-]+>)?(?::<[a-z-]+>)?@$/;

/** Redis URLs may hold an unescaped `@` or `/` in the password, so everything up to the last `@` is one. */
const OF_REDIS = /^rediss?\b/i;

/**
 * The same text without the user and password of any URL in it: `redis://***@host`. Placeholders
 * such as `redis://:<password>@host` stay, since a hint without them says nothing.
 */
export function withoutCredentials(text: string): string {
  return text.replace(USER_PART, (all: string, scheme: string, rest: string) => {
    const end = OF_REDIS.test(scheme) ? rest.length : endInAuthority(rest);
    if (end === 0 || TO_FILL_IN.test(rest.slice(0, end))) return all;
    return `${scheme}***@${rest.slice(end)}`;
  });
}

/** Where the user part of `user:password@host/p@th` ends; 0 where it has none. */
function endInAuthority(rest: string): number {
  return (rest.split('/', 1)[0] as string).lastIndexOf('@') + 1;
}
