import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { InferError } from '../../../core/errors.js';
import { sharedSecret } from '../../../queue/cursor-secret.js';
import type { RedisClient } from '../../../redis/types.js';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Used if Redis has no secret and refuses to store one: such cursors are valid only in this process. */
const ownSecret = randomBytes(32);

/** Encrypts and decrypts the cursors of one caller. */
export interface CursorSeal {
  seal(cursor: string): string;
  /** @throws InferError CURSOR (400) unless `seal` returned this text to the same caller. */
  open(text: string): string;
}

/**
 * The cursor of a list contains the id and position of the last job that was examined, which may belong to
 * someone else. So callers receive it encrypted and authenticated, with a secret that all gateways share, and
 * it is valid only for the token that received it.
 * @param owner name of the token; undefined: one that sees all jobs
 */
export async function cursorSeal(
  client: RedisClient,
  prefix: string,
  owner: string | undefined,
): Promise<CursorSeal> {
  const secret = (await sharedSecret(client, prefix)) ?? ownSecret;
  const context = Buffer.from(owner === undefined ? 'all' : `of ${owner}`);
  return {
    seal: (cursor) => {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, secret, nonce).setAAD(context);
      const sealed = [nonce, cipher.update(cursor, 'utf8'), cipher.final(), cipher.getAuthTag()];
      return Buffer.concat(sealed).toString('base64url');
    },
    open: (text) => {
      const bytes = Buffer.from(text, 'base64url');
      if (bytes.length < NONCE_BYTES + TAG_BYTES) throw unreadable();
      const decipher = createDecipheriv(CIPHER, secret, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      })
        .setAAD(context)
        .setAuthTag(bytes.subarray(-TAG_BYTES));
      try {
        return (
          decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
        );
      } catch {
        throw unreadable();
      }
    },
  };
}

function unreadable(): InferError {
  return new InferError('CURSOR', 'the cursor is invalid, or was issued to another token', {
    hint: 'send `next` of the previous page unchanged, or leave it out to start over',
  });
}
