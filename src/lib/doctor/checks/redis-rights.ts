import { InferError } from '../../core/errors.js';
import { bullBase } from '../../queue/keys.js';
import { listQueues } from '../../queue/read/reader.js';
import { type AclRole, aclCommands } from '../../redis/acl.js';
import { parseRedisUrl } from '../../redis/address.js';
import type { RedisClient } from '../../redis/types.js';
import { worded } from '../../redis/worded.js';
import { type Capability, type Check, fail, type Judgement, ok, skip, warn } from '../check.js';
import type { DoctorContext } from '../context.js';

/**
 * Asks Redis itself which commands this user may run, without running them (Redis 7.0 and later). Returns the
 * numbers of the refused calls, or -1 if the server cannot tell.
 */
const ASK = `
if not redis.acl_check_cmd then return {-1} end
local refused = {}
for at, words in ipairs(cjson.decode(ARGV[1])) do
  local known, allowed = pcall(redis.acl_check_cmd, unpack(words))
  if known and not allowed then refused[#refused + 1] = at - 1 end
end
return refused`;

export const redisRights: Check = {
  id: 'redis-rights',
  topic: 'redis',
  title: 'rights of this user',
  run: async (context) => {
    const { client, target } = await context.redis();
    const user = parseRedisUrl(target.url).username || 'default';
    try {
      const key = await sampleKey(context, client);
      const commands = [...new Set([...aclCommands('producer'), ...aclCommands('worker')])];
      const refused = await refusedCommands(client, key, commands);
      return refused === undefined
        ? skip(`user ${user}: this server does not tell what a user may do`)
        : judgeRights(user, context.loaded.values.prefix, commands, refused);
    } catch (error) {
      if (!(error instanceof InferError) || error.code !== 'REDIS_PERMISSION') throw error;
      return eitherReader(context, client, user, error);
    }
  },
};

const WORK: Record<'producer' | 'worker', readonly Capability[]> = {
  producer: ['submit', 'results'],
  worker: ['CPU workers', 'GPU workers'],
};

/** @param refused those of `commands` that the server refuses to this user. */
export function judgeRights(
  user: string,
  prefix: string,
  commands: readonly string[],
  refused: readonly string[],
): Judgement {
  const lacks = (role: AclRole): string[] => aclCommands(role).filter((name) => refused.includes(name));
  const [producer, worker] = [lacks('producer'), lacks('worker')];
  if (producer.length === 0 && worker.length === 0) {
    return ok(`user ${user} may run all ${commands.length} commands that infer uses`);
  }
  const grant = (names: readonly string[]): string =>
    `ACL SETUSER ${user} ${names.map((name) => `+${name}`).join(' ')}`;
  if (refused.length > commands.length / 2) {
    return fail(
      `user ${user} may not use the keys of infer`,
      `ACL SETUSER ${user} ~{${prefix}:*}:* ~{${prefix}}:*`,
      { blocks: [...WORK.producer, ...WORK.worker] },
    );
  }
  if (producer.length === 0) {
    return warn(`user ${user} may submit, not serve: no ${shown(worker)}`, grant(worker), {
      blocks: WORK.worker,
    });
  }
  if (worker.length === 0) {
    return warn(`user ${user} may serve, not submit: no ${shown(producer)}`, grant(producer), {
      blocks: WORK.producer,
    });
  }
  // A user who lacks a role entirely lacks all of its commands: report the role that comes closer.
  const [lacking, purpose] = producer.length <= worker.length ? [producer, 'submit'] : [worker, 'serve'];
  return fail(`user ${user} may not run ${shown(lacking)}, needed to ${purpose}`, grant(lacking), {
    blocks: [...WORK.producer, ...WORK.worker],
  });
}

/** Without EVAL nothing can be submitted or served; a user who may read is meant for `inspect`. */
async function eitherReader(
  context: DoctorContext,
  client: RedisClient,
  user: string,
  denied: InferError,
): Promise<Judgement> {
  const blocks = [...WORK.producer, ...WORK.worker];
  try {
    await worded(client, listQueues(client, context.loaded.values.prefix));
  } catch (error) {
    if (!(error instanceof InferError)) throw error;
    return fail(error.message, error.hint, { blocks: [...blocks, 'inspect'] });
  }
  return warn(
    `user ${user} may only look: ${denied.message.replace(/^the Redis user at \S+ /, 'it ')}`,
    denied.hint,
    { blocks },
  );
}

async function sampleKey({ loaded }: DoctorContext, client: RedisClient): Promise<string> {
  const { prefix, queue } = loaded.values;
  const name = queue ?? (await worded(client, listQueues(client, prefix)))[0] ?? 'realtime';
  return `${bullBase(prefix, name)}doctor-1`;
}

async function refusedCommands(
  client: RedisClient,
  key: string,
  commands: readonly string[],
): Promise<string[] | undefined> {
  const calls = commands.map((command) => callOf(command, key));
  const reply = await worded(client, client.eval(ASK, 1, key, JSON.stringify(calls)));
  const refused = reply as number[];
  return refused[0] === -1 ? undefined : refused.map((at) => commands[at] as string);
}

/** Commands whose keys Redis finds by number or from the end; in all others the keys come first. */
const SHAPES: Record<string, (key: string) => string[]> = {
  eval: (key) => ['return 1', '1', key],
  evalsha: (key) => ['0', '1', key],
  blpop: (key) => [key, '0'],
  bzpopmin: (key) => [key, '0'],
  set: (key) => [key, 'x'],
  ping: () => [],
  info: () => [],
};

function callOf(command: string, key: string): string[] {
  const words = command.split('|');
  const keyless = words.length > 1;
  return [...words, ...(SHAPES[command]?.(key) ?? (keyless ? ['x'] : [key]))];
}

const SHOWN = 6;

function shown(names: readonly string[]): string {
  const upper = names.map((name) => name.replace('|', ' ').toUpperCase());
  const more = upper.length - SHOWN;
  return more > 0 ? `${upper.slice(0, SHOWN).join(', ')} and ${more} more` : upper.join(', ');
}
