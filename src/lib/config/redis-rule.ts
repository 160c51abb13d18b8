import { type Rule, text, textOf } from './rules.js';

/** A socket's path may contain spaces. */
const REDIS_URL = /^(?:unix:\/\/\S.*|rediss?(?:[+-][a-z]+)?:\/\/\S+)$/i;

/** `/run/redis.sock`, `./redis.sock`, `unix:/run/redis.sock`. */
const SOCKET_PATH = /^(?:unix:)?(?:[/~]|\.\.?\/)/i;

/** The address of a Redis server. It may contain a password, so no error repeats it. */
export const redisRule: Rule<string> = {
  ...text('a Redis URL (redis://, rediss:// or unix://)', 'redis://127.0.0.1:6379', REDIS_URL),
  wrong: (raw) =>
    SOCKET_PATH.test(textOf(raw) ?? '')
      ? {
          message: 'the value is a path: a socket is named by unix:// and its absolute path',
          example: 'unix:///run/redis/redis.sock',
        }
      : undefined,
};
