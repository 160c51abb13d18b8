import { Flags } from '@oclif/core';
import { operatorFlags } from '../../lib/cli/operator-command.js';
import { facts } from '../../lib/cli/output/text.js';
import { TuneCommand } from '../../lib/cli/tune/tune-command.js';
import { InferError } from '../../lib/core/errors.js';
import { ExitCode } from '../../lib/core/exit-codes.js';
import { printable } from '../../lib/core/job.js';
import type { AclJson, UserWish } from '../../lib/operations/create-user.js';
import { ACL_ROLES } from '../../lib/redis/acl.js';

/** Creates Redis users with exactly the rights of one role. */
export default class RedisTuneAcl extends TuneCommand<typeof RedisTuneAcl> {
  static override summary = 'print or create a Redis user with the rights of one role and no others';
  static override description =
    `Prints the line for redis-cli, with the password's hash in it. The password is generated once and shown only on a terminal or with --show; otherwise the line has CHANGE-ME in its place.
--apply creates the user on every server. Users are lost when Redis restarts unless --persist saves them, in the ACL file or with CONFIG REWRITE. Exits 1 when the user exists already, 3 when it could not be saved.`;
  static override examples = [
    '<%= config.bin %> redis-tune acl --role producer',
    '<%= config.bin %> redis-tune acl --role worker --apply --persist',
    '<%= config.bin %> redis-tune acl --role inspector --user grafana --password-stdin --apply < secret',
    '<%= config.bin %> redis-tune acl --role worker --format users.acl >> users.acl',
  ];
  static override flags = {
    role: Flags.option({ options: ACL_ROLES, required: true, description: 'what the user is for' })(),
    user: Flags.string({ helpValue: '<name>', description: 'its name [default: infer-<role>]' }),
    format: Flags.option({
      options: ['setuser', 'users.acl'] as const,
      default: 'setuser' as const,
      description: 'a command for redis-cli, or a line of the ACL file',
    })(),
    apply: Flags.boolean({ description: 'create the user on the server' }),
    replace: Flags.boolean({ dependsOn: ['apply'], description: 'replace an existing user of this name' }),
    persist: Flags.boolean({ dependsOn: ['apply'], description: 'make it survive a restart' }),
    show: Flags.boolean({ description: 'show the password in a pipe and in JSON too' }),
    ...operatorFlags,
    'password-stdin': Flags.boolean({
      exclusive: ['show'],
      description: 'take the password from standard input and show it nowhere',
    }),
  };

  async run(): Promise<AclJson> {
    const { role, apply, replace, persist, show } = this.flags;
    const given = this.flags['password-stdin'];
    const shown = show || (process.stdout.isTTY === true && !this.jsonEnabled());
    if (apply && !given && !shown) {
      throw new InferError('ACL_PASSWORD', 'the password of the new user would not be shown anywhere', {
        hint: 'add --show, or give one with --password-stdin',
      });
    }
    const { readPassword } = await import('../../lib/tune/read-password.js');
    const { describeUser } = await import('../../lib/operations/create-user.js');
    const { newPassword } = await import('../../lib/tune/acl-user.js');
    const password = given ? await readPassword(process.stdin) : shown ? newPassword() : undefined;
    const wish = { role, name: this.flags.user ?? `infer-${role}`, password, replace, persist };
    const user = apply ? await this.make(wish) : describeUser(this.loaded, wish);
    const line = this.flags.format === 'setuser' ? user.setUser : user.aclFile;
    const secret = given ? undefined : password;
    await this.print([line, ...this.secretLines(user.user, secret)]);
    if (apply) this.tell(user);
    if (user.persisted === false) this.endWith(ExitCode.Partial);
    return { ...user, password: show ? (secret ?? null) : null };
  }

  private async make(wish: UserWish): Promise<AclJson> {
    const { userChange } = await import('../../lib/operations/create-user.js');
    const { withServer } = await import('../../lib/tune/open-server.js');
    return withServer(this.loaded, 'broker', undefined, async (open) => {
      const made = await this.change(open, userChange(open, this.loaded, wish), 'broker', '');
      return made as AclJson;
    });
  }

  private secretLines(user: string, password: string | undefined): string[] {
    if (password === undefined) return [];
    const { tty, paint } = this.layout;
    if (!tty) return [`password\t${password}`];
    const rows: [string, string][] = [
      ['user', printable(user)],
      ['password', `${password}  ${paint('dim', '(shown this once: INFER_REDIS_PASSWORD, or a file)')}`],
    ];
    return ['', ...facts(rows, paint)];
  }

  private tell({ user, persisted, reason }: AclJson): void {
    if (!this.jsonEnabled()) this.note(`made ${printable(user)}`);
    if (persisted === null) {
      this.warn('users are lost when Redis restarts, unless they are saved: --persist');
    } else if (reason !== null) {
      this.warn(`it will be lost when Redis restarts: ${reason}`);
    }
  }
}
