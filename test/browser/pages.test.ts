import { beforeAll, expect, it } from 'vitest';
import {
  axeFindings,
  describeInBrowser,
  openView,
  overflow,
  settled,
  useBrowser,
  type Watched,
} from '../support/browser.js';
import { useScene } from './scene.js';

describeInBrowser('every page of the dashboard', () => {
  const scene = useScene();
  const browser = useBrowser();
  let watched: Watched;

  beforeAll(async () => {
    watched = await browser.open();
    await watched.page.goto(`${scene.url}#token=${scene.tokens.operator}`);
    await settled(watched.page);
  });

  const VIEWS: readonly (readonly [view: string, title: RegExp, content: RegExp])[] = [
    ['overview', /^Overview$/, /no worker serves/],
    ['overview?range=1h', /^Overview$/, /Throughput/],
    ['overview?range=24h', /^Overview$/, /Throughput/],
    ['queues', /^Queues$/, /nightly/],
    ['queues/batch', /^Queues \/ batch$/, /Time to drain|Drained in/],
    ['workers', /^Workers and devices$/, /worker-1/],
    ['workers/worker-1', /^Workers \/ worker-1$/, /Rows that run together/],
    ['models', /^Models$/, /acts/],
    ['models/acts', /^Models \/ acts$/, /Shape of one row/],
    ['jobs', /^Jobs$/, /delayed/],
    ['jobs?state=failed', /^Jobs$/, /HANDLER_FAILED/],
    ['jobs/{completed}', /^Jobs \//, /attempt 1/],
    ['jobs/{failed}', /^Jobs \//, /no such word/],
    ['jobs/{waiting}', /^Jobs \//, /Why it waits/],
    ['jobs/nowhere', /^Jobs \//, /list the jobs of group nowhere/],
    ['failures', /^Failures$/, /HANDLER_FAILED/],
    ['autoscaler', /^Autoscaler$/, /Last decision/],
    ['redis', /^Redis$/, /maxmemory-policy/],
    ['events', /^Events$/, /worker-1/],
    ['audit', /^Audit$/, /./],
  ];

  it.each(VIEWS)(
    '%s is complete, accessible and fits, in both themes, on narrow and wide screens',
    async (view, title, content) => {
      const { page, troubles } = watched;
      // Ids are known only once the jobs are there.
      const name = view.replace(/\{(\w+)\}/, (_, state) => scene.jobs[state as keyof typeof scene.jobs]);
      await page.setViewportSize({ width: 1440, height: 900 });
      await openView(page, name);
      await page.getByRole('heading', { level: 1, name: title }).waitFor();
      await page.locator('main', { hasText: content }).waitFor();
      const wrong: string[] = [];
      for (const theme of ['light', 'dark'] as const) {
        for (const width of [1440, 360]) {
          await page.emulateMedia({ colorScheme: theme });
          await page.setViewportSize({ width, height: 900 });
          const found = await axeFindings(page);
          const wider = await overflow(page);
          if (wider > 0) found.push(`the page is ${wider} px wider than the window`);
          wrong.push(...found.map((one) => `${theme}, ${width} px: ${one}`));
        }
      }
      expect(wrong).toEqual([]);
      // There is no such job. Settings of Redis are read within a limit that a busy machine may exceed.
      const expected = /404 .*api\/jobs\/nowhere|503 .*api\/redis/;
      expect(troubles.splice(0).filter((one) => !expected.test(one))).toEqual([]);
    },
  );

  it('charts have a title, a unit, the current value and a table with the same values', async () => {
    const { page } = watched;
    await page.setViewportSize({ width: 1440, height: 900 });
    await openView(page, 'overview');
    const charts = page.getByRole('figure');
    expect(await charts.count()).toBe(4);
    for (const chart of await charts.all()) {
      const plot = chart.getByRole('img');
      expect(await plot.getAttribute('aria-label')).toMatch(/^[\w ]+, [\w ]+\. Now: \w+ \S/);
      await chart.getByText('As a table').click();
      // The heading and at least one row; the page draws them a moment after the click.
      await chart.getByRole('row').nth(1).waitFor();
    }
    // They show the same over every time.
    const titles = () => charts.getByRole('heading', { level: 2 }).allTextContents();
    const live = await titles();
    expect(live).toContain('Devices busy share of their time');
    await openView(page, 'overview?range=1h');
    await charts.nth(3).waitFor();
    expect(await titles()).toEqual(live);
  });

  it('at 1440 px what is looked at most is in sight: no column up to the workers is behind the actions', async () => {
    const { page } = watched;
    await page.setViewportSize({ width: 1440, height: 900 });
    await openView(page, 'queues');
    const edge = async (title: string, side: 'left' | 'right') => {
      const box = await page.getByRole('columnheader', { name: title, exact: true }).boundingBox();
      return side === 'left' ? (box?.x ?? 0) : (box?.x ?? 0) + (box?.width ?? 0);
    };
    expect(await edge('Workers', 'right')).toBeLessThanOrEqual(await edge('Actions', 'left'));
  });

  it('the range, the filters and the order of a table are in the address', async () => {
    const { page } = watched;
    await openView(page, 'overview');
    await page.getByRole('button', { name: '24 hours' }).click();
    expect(page.url()).toContain('#/overview?range=24h');
    await page.goBack();
    await page.getByRole('button', { name: '5 minutes', pressed: true }).waitFor();

    await openView(page, 'queues');
    await page.getByRole('button', { name: 'Waiting', exact: true }).click();
    expect(page.url()).toContain('sort=-waiting');
    expect(await page.getByRole('columnheader', { name: 'Waiting' }).getAttribute('aria-sort')).toBe(
      'descending',
    );
    expect(await page.getByRole('rowheader').first().textContent()).toBe('nightly');

    await openView(page, 'jobs');
    await page.getByLabel('State').selectOption('failed');
    await page
      .getByRole('cell', { name: /HANDLER_FAILED/ })
      .first()
      .waitFor();
    expect(page.url()).toContain('#/jobs?state=failed');
  });

  it('times are in the zone of the browser, which is named, with UTC on hover', async () => {
    const { page } = watched;
    await openView(page, `jobs/${scene.jobs.completed}`);
    await page
      .getByText('Times in Asia/Calcutta (UTC+5:30); UTC on hover.')
      .or(page.getByText('Times in Asia/Kolkata (UTC+5:30); UTC on hover.'))
      .waitFor();
    const time = page.locator('main time').first();
    const [iso, title, text] = await Promise.all([
      time.getAttribute('datetime'),
      time.getAttribute('title'),
      time.textContent(),
    ]);
    expect(title).toBe(`${iso?.slice(0, 19).replace('T', ' ')} UTC`);
    const local = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium', timeZone: 'Asia/Kolkata' });
    expect(text).toContain(local.format(new Date(iso as string)));

    // The same without a pointer: all times of the page, also after it was loaded again.
    await page.getByRole('button', { name: 'Show all in UTC' }).press('Enter');
    const utc = iso?.slice(11, 19) as string;
    await page.getByText('Times in UTC.').waitFor();
    expect(await page.locator('main time').first().textContent()).toContain(utc);
    await page.reload();
    await settled(page);
    expect(await page.locator('main time').first().textContent()).toContain(utc);
    await openView(page, 'failures');
    const last = page
      .getByRole('row', { name: /HANDLER_FAILED/ })
      .locator('time')
      .last();
    expect(await last.textContent()).toBe((await last.getAttribute('datetime'))?.slice(11, 19));
    await page.getByRole('button', { name: 'Show local times' }).click();
    await page.getByText('UTC on hover').waitFor();
  });

  it('inputs and results are read on a click only', async () => {
    const { page } = watched;
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await openView(page, 'jobs?state=completed');
    await openView(page, `jobs/${scene.jobs.completed}`);
    expect(asked.filter((path) => /\/(input|result)$/.test(path))).toEqual([]);
    await page.getByRole('button', { name: 'Show the result' }).click();
    await page.getByRole('table', { name: 'First values of each tensor' }).waitFor();
    expect(asked.filter((path) => /\/(input|result)$/.test(path))).toHaveLength(1);
  });

  it('an id finds its job', async () => {
    const { page } = watched;
    await openView(page, 'jobs');
    await page.getByLabel('Id of a job or a group').fill(scene.jobs.failed);
    await page.getByRole('button', { name: 'Open' }).click();
    await page.getByRole('heading', { level: 1, name: `Jobs / ${scene.jobs.failed}` }).waitFor();
  });

  it('a long name is cut, and told whole on hover; characters that a browser hides are written out', async () => {
    const { redis, infer, models } = scene;
    const long = 'w'.repeat(128);
    const worker = await infer.worker(['--models', models, '--name', long, '-Q', 'realtime']);
    // No command accepts such a name. A program that writes to Redis by itself may leave one.
    const odd = 'w\u202eabc\x1b[31m';
    const client = await redis.client();
    const keys = await client.keys('{*}:worker:*');
    for (const key of keys) {
      const text = (await client.get(key)) ?? '';
      const record = JSON.parse(text) as { id: string; name: string };
      if (record.name !== long) continue;
      const id = `${record.id}x`;
      await client.set(key.replace(record.id, id), JSON.stringify({ ...record, id, name: odd }));
      await client.zadd(key.replace(/:worker:.*/, ':workers'), Date.now() + 30_000, id);
    }
    const { page } = watched;
    await page.setViewportSize({ width: 1440, height: 900 });
    await openView(page, 'workers');
    const shown = 'w\\u202eabc\\x1b[31m';
    const rows = page.getByRole('table', { name: 'Workers', exact: true });
    await rows.getByRole('rowheader', { name: shown }).waitFor();
    const name = rows.getByRole('rowheader', { name: long }).locator('bdi');
    expect(await name.getAttribute('title')).toBe(long);
    expect((await name.boundingBox())?.width).toBeLessThan(260);
    const wrong: string[] = [];
    for (const view of [
      'workers',
      `workers/${long}`,
      `workers/${encodeURIComponent(odd)}`,
      'jobs',
      'events',
    ]) {
      await openView(page, view);
      for (const width of [1440, 360]) {
        await page.setViewportSize({ width, height: 900 });
        const wider = await overflow(page);
        if (wider > 0) wrong.push(`${view.slice(0, 12)} is ${wider} px wider than ${width} px`);
      }
      const texts = (await page.evaluate('document.title + document.documentElement.outerHTML')) as string;
      // The value of an option is what is sent.
      if (texts.replace(/<option value="[^"]*"/g, '').includes('\u202e'))
        wrong.push(`${view} hides characters`);
    }
    expect(wrong).toEqual([]);
    await page.setViewportSize({ width: 1440, height: 900 });
    await openView(page, 'jobs');
    expect((await page.getByLabel('Worker').boundingBox())?.width).toBeLessThanOrEqual(240);
    await worker.stop();
  });
});
