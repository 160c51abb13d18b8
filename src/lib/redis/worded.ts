import { InferError } from '../core/errors.js';
import { explain } from './connect.js';
import type { RedisClient } from './types.js';

/** Awaits work on a client of `connect`; turns errors of Redis into readable ones. */
export async function worded<T>(client: RedisClient, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof InferError ? error : explain(client, error);
  }
}
