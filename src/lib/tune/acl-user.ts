import { createHash, randomBytes } from 'node:crypto';
import { InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { type AclRole, aclRules, aclRules62 } from '../redis/acl.js';
import { refusalOf, type ServerNode, shortReply } from '../redis/server-config.js';

/** A user to be created: its name and everything after it in `ACL SETUSER name …`. */
export interface AclUser {
  name: string;
  rules: string[];
}

export interface AclUserSpec {
  role: AclRole;
  name: string;
  prefix: string;
  /** Undefined writes a placeholder to be filled in manually. */
  password: string | undefined;
  /** Number of the user's database. */
  db: number;
  /** Redis before 7.0 has neither read-only keys nor selectors. */
  readOnlyKeys: boolean;
}

const USER_NAME = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * The arguments that define a user: with the password's SHA-256 instead of the password, so that the line may
 * appear in files and shell histories. @throws InferError ACL_USER (exit 2).
 */
export function aclUser({ role, name, prefix, password, db, readOnlyKeys }: AclUserSpec): AclUser {
  if (!USER_NAME.test(name) || name === 'default') {
    const why =
      name === 'default'
        ? 'clients without a name are `default`, which is not changed'
        : 'that is not a user name';
    throw new InferError('ACL_USER', `'${printable(name)}': ${why}`, {
      hint: `--user infer-${role}, of letters, digits, dot, dash and underscore`,
    });
  }
  const rules = readOnlyKeys ? aclRules(role, prefix) : aclRules62(role, prefix);
  const secret =
    password === undefined ? '>CHANGE-ME' : `#${createHash('sha256').update(password).digest('hex')}`;
  return { name, rules: ['reset', 'on', secret, ...rules, ...(db === 0 ? [] : ['+select'])] };
}

export function setUserLine({ name, rules }: AclUser): string {
  return `ACL SETUSER ${name} ${rules.join(' ')}`;
}

/** The same as a line of the file named by `aclfile`; such a line implies `reset`. */
export function aclFileLine({ name, rules }: AclUser): string {
  return `user ${name} ${rules.filter((rule) => rule !== 'reset').join(' ')}`;
}

const PASSWORD_BYTES = 24;

/** 192 random bits as 32 characters that need no quoting in a URL or a shell. */
export function newPassword(): string {
  return randomBytes(PASSWORD_BYTES).toString('base64url');
}

/**
 * Makes a user on every server. @throws InferError ACL_USER_EXISTS (exit 1) unless `replace`, before any
 * server is changed; ACL_ABSENT (77) where the provider manages users.
 */
export async function createUser(
  servers: readonly ServerNode[],
  user: AclUser,
  replace: boolean,
): Promise<void> {
  const known = await Promise.all(
    servers.map(({ node }) => asked(node.call('ACL', 'GETUSER', user.name), user)),
  );
  if (known.some((one) => one !== null) && !replace) {
    throw new InferError('ACL_USER_EXISTS', `user ${user.name} already exists`, {
      hint: '--replace gives it these rights and the new password; clients that use the old password are then rejected',
    });
  }
  for (const { node } of servers) await asked(node.call('ACL', 'SETUSER', user.name, ...user.rules), user);
}

/**
 * Makes users survive a restart: saves them to the ACL file if the server has one, else with CONFIG REWRITE.
 * Returns the server's reason if that failed; undefined on success.
 */
export async function saveUsers(servers: readonly ServerNode[]): Promise<string | undefined> {
  for (const { node } of servers) {
    try {
      await node.call('ACL', 'SAVE');
    } catch (error) {
      if (refusalOf(error) === undefined) throw error;
      try {
        await node.call('CONFIG', 'REWRITE');
      } catch (rewriting) {
        if (refusalOf(rewriting) === undefined) throw rewriting;
        return shortReply(rewriting);
      }
    }
  }
  return undefined;
}

async function asked(command: Promise<unknown>, user: AclUser): Promise<unknown> {
  try {
    return await command;
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal?.kind !== 'absent') throw error;
    throw new InferError('ACL_ABSENT', 'this server has no ACL command: its provider manages its users', {
      hint: `give it there: ${user.rules.slice(3).join(' ')}`.slice(0, 500),
    });
  }
}
