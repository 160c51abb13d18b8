// Photographs pages of the dashboard in Chromium.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { chromium } from 'playwright-core';

/** Every view: its file's name and its address, with the state of a job in braces for its id. */
const VIEWS = [
  ['overview', 'overview'],
  ['overview-1h', 'overview?range=1h'],
  ['queues', 'queues'],
  ['queue', 'queues/forms'],
  ['workers', 'workers'],
  ['worker', 'workers/worker-1'],
  ['models', 'models'],
  ['model', 'models/digits'],
  ['jobs', 'jobs'],
  ['jobs-failed', 'jobs?state=failed'],
  ['job-failed', 'jobs/{failed}'],
  ['job-waiting', 'jobs/{waiting}'],
  ['job-completed', 'jobs/{completed}'],
  ['failures', 'failures'],
  ['autoscaler', 'autoscaler'],
  ['redis', 'redis'],
  ['events', 'events'],
  ['audit', 'audit'],
];
const WIDE = 1440;
const NARROW = 360;
const shots = (names, theme, width) =>
  VIEWS.filter(([name]) => names === undefined || names.includes(name)).map(([name, view]) => ({
    name,
    view,
    theme,
    width,
  }));

export const ALL = [
  ...shots(undefined, 'light', WIDE),
  ...shots(undefined, 'dark', WIDE),
  ...shots(['overview', 'queues', 'jobs'], 'light', NARROW),
];

export const IN_DOCS = [
  ...shots(
    [
      'overview',
      'queues',
      'workers',
      'model',
      'jobs-failed',
      'job-failed',
      'failures',
      'autoscaler',
      'redis',
    ],
    'light',
    WIDE,
  ),
  ...shots(['overview'], 'dark', WIDE),
];

/** Highest picture, in pixels: what is below repeats what is above. */
const MAX_HEIGHT = 1600;

/**
 * Opens the page, lets it see `fill`, and takes one picture a shot: `NAME-THEME.png`, or `NAME-THEME-360.png` of a
 * narrow window.
 */
export async function photograph({ url, token, jobs }, executablePath, wanted, folder, fill) {
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  try {
    const page = await browser.newPage({ timezoneId: 'Europe/Berlin', locale: 'en-GB' });
    await fill(page, async () => {
      await page.goto(`${url}#token=${token}`);
      await page.getByText('live', { exact: true }).waitFor();
    });
    for (const { name, view, theme, width } of wanted) {
      await page.emulateMedia({ colorScheme: theme });
      await page.setViewportSize({ width, height: 900 });
      await open(
        page,
        view.replace(/\{(\w+)\}/, (_, state) => jobs[state]),
      );
      const height = await page.evaluate('document.documentElement.scrollHeight');
      const clip = { x: 0, y: 0, width, height: Math.min(height, MAX_HEIGHT) };
      const end = width === NARROW ? `-${NARROW}` : '';
      await page.screenshot({ path: join(folder, `${name}-${theme}${end}.png`), fullPage: true, clip });
    }
  } finally {
    await browser.close();
  }
}

async function open(page, view) {
  await page.evaluate(`location.hash = ${JSON.stringify(`#/${view}`)}`);
  await page.locator('main h1').waitFor();
  const reading = page.locator('main .quiet', { hasText: /^Reading/ });
  await reading.first().waitFor({ state: 'detached' });
  await delay(1500); // a snapshot or two, for the charts
}
