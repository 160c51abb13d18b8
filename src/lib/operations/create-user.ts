import type { LoadedSettings } from '../config/load.js';
import type { AclRole } from '../redis/acl.js';
import { parseRedisUrl } from '../redis/address.js';
import { allNodes } from '../redis/server-config.js';
import { aclFileLine, aclUser, createUser, saveUsers, setUserLine } from '../tune/acl-user.js';
import type { OpenServer } from '../tune/open-server.js';
import { changeServer } from './change-server.js';
import type { Operation } from './operation.js';

/** The JSON of `infer redis-tune acl`. */
export interface AclJson {
  user: string;
  role: AclRole;
  /** For redis-cli, and for the file named by `aclfile`. */
  setUser: string;
  aclFile: string;
  /** Null unless it was generated here and --show was given. */
  password: string | null;
  applied: boolean;
  /** Whether it survives a restart; null when it was not applied or not requested. */
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

/** Only the lines; contacts no server. */
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

/** Creates the user on every server of the Redis, including replicas of a Cluster. */
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
