import path from 'node:path';
import { expect, it } from 'vitest';
import { useInfer } from '../support/cli.js';
import { openapiProblems } from '../support/openapi.js';
import { useRedis } from '../support/redis.js';
import { startServer } from '../support/serve.js';

const redis = useRedis();
const infer = useInfer(redis);

const OWN = /^\/v2\/models\/[^{/]+\/infer$/;

it('shows the models that workers serve to the tokens that may use them, and to no one else', async () => {
  const file = path.join(infer.dir, 'docs-tokens.json');
  const create = async (name: string, ...args: string[]) =>
    (await infer.ask(['token', 'create', name, '--token-file', file, ...args])).stdout.trim();
  const all = await create('all');
  const other = await create('other', '--model', 'other');
  const server = await startServer(infer, ['--token-file', file]);
  const document = async (token?: string) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answer = await server.get('/openapi.json', headers);
    expect(answer.status).toBe(200);
    const paths = answer.body.paths as Record<string, unknown>;
    return { text: JSON.stringify(answer.body), own: Object.keys(paths).filter((one) => OWN.test(one)) };
  };
  expect((await document(all)).own).toEqual([]);
  const worker = await infer.worker();
  await expect.poll(async () => (await document(all)).own).toEqual(['/v2/models/digits/infer']);
  expect(await openapiProblems(JSON.parse((await document(all)).text))).toEqual([]);
  expect((await document(other)).own).toEqual([]);
  expect((await document()).own).toEqual([]);
  expect((await server.get('/openapi.json', { authorization: 'Bearer inf_none' })).status).toBe(401);
  expect(await worker.stop()).toBe(0);
  await expect.poll(async () => (await document(all)).own).toEqual([]);
  expect(await server.stop()).toBe(0);
});

it('renders the document from its own files', async () => {
  const server = await startServer(infer, ['--base-path', '/ml']);
  expect(server.stderr).toContain(`docs     ${server.url}/docs`);
  const html = await (await fetch(`${server.url}/docs`)).text();
  const links = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link as string);
  for (const link of links) {
    const answer = await fetch(new URL(link, `${server.url}/docs`));
    expect(answer.status, link).toBe(200);
    await answer.arrayBuffer();
  }
  expect(links.some((link) => link.endsWith('swagger-ui-bundle.js'))).toBe(true);
  expect(await server.stop()).toBe(0);
});
