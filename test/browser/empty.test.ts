import { expect, it } from 'vitest';
import {
  axeFindings,
  describeInBrowser,
  openView,
  overflow,
  settled,
  useBrowser,
} from '../support/browser.js';
import { useInfer } from '../support/cli.js';
import { useRedis } from '../support/redis.js';
import { startWorker } from '../support/worker.js';

/** Pages without anything to show, and what they say to type. */
const EMPTY: readonly (readonly [view: string, command: RegExp])[] = [
  ['overview', /^infer worker$/],
  ['queues', /^infer submit /],
  ['queues/none', /^infer submit -Q none /],
  ['workers', /^infer worker$/],
  ['workers/none', /^infer worker --name none$/],
  ['models', /^infer worker --models /],
  ['jobs', /^infer submit /],
  ['jobs?state=delayed', /^infer submit .* --delay /],
  ['jobs?state=failed', /^infer inspect failed$/],
  ['failures', /^infer inspect failed$/],
  ['autoscaler', /^infer autoscale /],
  ['events', /^infer events --follow$/],
  ['audit', /^infer control pause /],
];

describeInBrowser('a deployment with nothing in it', () => {
  const redis = useRedis();
  const infer = useInfer(redis);
  const browser = useBrowser();

  it('says on every page what to type for something to appear', async () => {
    const server = await startWorker(infer.start(['dashboard', '--port', '0']));
    const [, url = ''] = /^ready (\S+)/m.exec(server.stderr) ?? [];
    const { page, troubles } = await browser.open();
    await page.goto(url);
    await settled(page);
    const wrong: string[] = [];
    for (const [view, command] of EMPTY) {
      await openView(page, view);
      const code = page.locator('.empty code').first();
      await code.waitFor();
      if (!command.test((await code.textContent()) ?? '')) wrong.push(`${view}: ${await code.textContent()}`);
      wrong.push(...(await axeFindings(page)).map((one) => `${view}: ${one}`));
      await page.setViewportSize({ width: 360, height: 900 });
      if ((await overflow(page)) > 0) wrong.push(`${view} is wider than 360 px`);
      await page.setViewportSize({ width: 1440, height: 900 });
    }
    expect(wrong).toEqual([]);
    // With a filter it does not say that nothing is there.
    for (const filter of ['error=%3Cb%3E', 'priority=3', 'olderThan=5m']) {
      await openView(page, `jobs?${filter}`);
      await page.getByText('No job matches these filters.').waitFor();
    }
    await openView(page, 'queues');
    await page.getByText('Actions are off.', { exact: false }).waitFor();
    expect(troubles).toEqual([]);
    await page.context().close();
    await server.stop();
  });
});
