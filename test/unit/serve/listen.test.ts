import { expect, it } from 'vitest';
import { listen } from '../../../src/lib/serve/listen.js';
import { type Reply, textReply } from '../../../src/lib/serve/routes.js';

it('a closing server aborts a request that does not end', async () => {
  let asked: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const handle = () => {
    asked();
    return new Promise<Reply>(() => undefined);
  };
  const server = await listen({ host: '127.0.0.1', port: 0, routes: { '/never': { handle } } });
  // Not answered: a 503 would come after 9 s.
  const answer = fetch(`${server.url}/never`).then(
    ({ status }) => status,
    () => 'hung up',
  );
  await begun;
  await server.close();
  expect(await answer).toBe('hung up');
  await server.close();
});

it('a closing server lets a running request finish', async () => {
  let asked: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => {
    asked = resolve;
  });
  let reply: (reply: Reply) => void = () => undefined;
  const handle = () => {
    asked();
    return new Promise<Reply>((resolve) => {
      reply = resolve;
    });
  };
  const server = await listen({ host: '127.0.0.1', port: 0, routes: { '/late': { handle } } });
  const answer = fetch(`${server.url}/late`).then((response) => response.text());
  await begun;
  const closed = server.close();
  reply(textReply(200, 'in time'));
  expect(await answer).toContain('in time');
  await closed;
});
