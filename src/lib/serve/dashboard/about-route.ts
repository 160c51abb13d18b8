import type { Gateway } from '../gateway/gateway.js';
import type { App } from '../http/app.js';
import type { About } from './shapes.js';

/** `GET api/about`: what the page must know before it has a token, and what its token allows. */
export function addAboutRoute(app: App, gateway: Gateway, at: string, tokens: boolean): void {
  const { version, client, prefix, control } = gateway;
  app.get(
    `${at}/api/about`,
    { config: { access: 'optional' }, schema: { hide: true } },
    async ({ caller }): Promise<About> => {
      const known = !tokens || caller.name !== undefined;
      return {
        version,
        tokens,
        control,
        server: at === '' ? 'dashboard' : 'serve --dashboard',
        caller: known
          ? {
              name: caller.name ?? null,
              read: caller.allows('read:all'),
              control: control && caller.allows('control'),
            }
          : null,
        // Before there is a token, the page needs no addresses.
        redis: known ? client.target.label : '',
        prefix: known ? prefix : '',
      };
    },
  );
}
