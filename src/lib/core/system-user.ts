import { userInfo } from 'node:os';

/** Name of the user this process runs as: what the audit log and errors about access say. */
export function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    // A user without an entry in the system's list, as in many containers.
    return `uid ${process.getuid?.() ?? '?'}`;
  }
}
