import type { LoadedSettings } from '../../config/load.js';
import { InferError } from '../../core/errors.js';
import { changeServer } from '../../operations/change-server.js';
import type { Operation } from '../../operations/operation.js';
import type { AclRole } from '../../redis/acl.js';
import { parseRedisUrl } from '../../redis/address.js';
import { allNodes } from '../../redis/server-config.js';
import { aclFileLine, aclUser, createUser, saveUsers, setUserLine } from '../../tune/acl-user.js';
import type { OpenServer } from '../../tune/open-server.js';

/** The JSON of `infer redis-tune acl`. */
export interface AclJson {
  user: string;
  role: AclRole;
  /** For redis-cli, and for the file that `aclfile` names. */
  setUser: string;
  aclFile: string;
  /** Null unless it was made here and --show was given. */
  password: string | null;
  applied: boolean;
  /** Whether it outlives a restart; null when it was not applied or not asked for. */
  persisted: boolean | null;
  /** Why it was not persisted. */
  reason: string | null;
}

export interface UserWish {
  role: AclRole;
  name: string;
  password: string | undefined;
  replace: boolean;
  persist: boolean;
}

/** The lines alone; asks no server. */
export function describeUser(loaded: LoadedSettings, wish: UserWish, readOnlyKeys = true): AclJson {
  const { prefix, redisUrl } = loaded.values;
  const db = redisUrl === undefined ? 0 : parseRedisUrl(redisUrl).db;
  const user = aclUser({ ...wish, prefix, db, readOnlyKeys });
  return {
    user: wish.name,
    role: wish.role,
    setUser: setUserLine(user),
    aclFile: aclFileLine(user),
    password: null,
    applied: false,
    persisted: null,
    reason: null,
  };
}

/** Making the user on every server of the Redis at hand, replicas of a Cluster among them. */
export function userChange(
  { client, facts, target }: OpenServer,
  loaded: LoadedSettings,
  wish: UserWish,
): Operation<null, AclJson> {
  return changeServer({
    action: 'redis-tune acl',
    target: wish.name,
    detail: `role ${wish.role}${wish.replace ? ', replaced' : ''}`,
    needsConsent: false,
    changed: ({ persisted }) => ({ what: 'user', count: 1, verified: true, persisted }),
    change: async () => {
      const oldest = Math.min(...facts.nodes.map(({ info }) => Number.parseInt(info.version, 10) || 7));
      const described = describeUser(loaded, wish, oldest >= 7);
      const { prefix } = loaded.values;
      const { db } = parseRedisUrl(target.url);
      const user = aclUser({ ...wish, prefix, db, readOnlyKeys: oldest >= 7 });
      const servers = allNodes(client);
      await createUser(servers, user, wish.replace);
      const reason = wish.persist ? await saveUsers(servers) : undefined;
      return {
        ...described,
        applied: true,
        persisted: wish.persist ? reason === undefined : null,
        reason: reason ?? null,
      };
    },
  });
}

const PASSWORD_MAX = 512;
const PASSWORD_MIN = 12;

/** The first line of standard input. @throws InferError ACL_PASSWORD (exit 2). */
export async function readPassword(input: AsyncIterable<Buffer | string>): Promise<string> {
  let text = '';
  for await (const piece of input) {
    text += piece.toString();
    if (text.includes('\n') || text.length > PASSWORD_MAX) break;
  }
  const password = text.split(/\r?\n/)[0] ?? '';
  if (password.length >= PASSWORD_MIN && password.length <= PASSWORD_MAX) return password;
  throw new InferError(
    'ACL_PASSWORD',
    `the password must have ${PASSWORD_MIN} to ${PASSWORD_MAX} characters`,
    {
      hint: 'leave out --password-stdin, and a strong one is made',
    },
  );
}
