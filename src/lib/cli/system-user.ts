import { userInfo } from 'node:os';

/** The name that the audit log has for whoever runs this command. */
export function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    // A user without an entry in the system's list, as in many containers.
    return `uid ${process.getuid?.() ?? '?'}`;
  }
}
