import { InferError } from '../core/errors.js';

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
