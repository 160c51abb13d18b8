import { userInfo } from 'node:os';

/** Name of the user this process runs as, for the audit log and errors about access. */
export function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    // A user without an entry in the user database, as in many containers.
    return `uid ${process.getuid?.() ?? '?'}`;
  }
}
