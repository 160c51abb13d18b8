import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe } from 'vitest';

/** Programs in the order of preference; `scripts/setup/chromium.mjs` installs the first. */
const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

const executablePath = PROGRAMS.flatMap((name) =>
  (process.env.PATH ?? '').split(path.delimiter).map((folder) => path.join(folder, name)),
).find((file) => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
});

if (executablePath === undefined) {
  console.warn(
    'no Chromium on the PATH: the tests of the dashboard in a browser are skipped (apt install chromium)',
  );
}

/** Tests in Chromium; skipped where there is none. */
export const describeInBrowser = describe.skipIf(executablePath === undefined);

/** What a page should never do, as it happened. */
export interface Watched {
  readonly page: Page;
  /** Messages of the console other than logs, errors of scripts, and requests to other servers. */
  readonly troubles: string[];
  /** Bytes of all answers as they were sent, by address. */
  readonly weights: ReadonlyMap<string, number>;
}

/** A browser for all tests of a file; every page it opens is closed at the end. */
export function useBrowser(): { open(options?: OpenOptions): Promise<Watched> } {
  let browser: Browser | undefined;
  beforeAll(async () => {
    if (executablePath === undefined) return;
    // The sandbox of Chromium does not work for root, as which containers run tests.
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
  });
  afterAll(() => browser?.close());
  return {
    open: async (options = {}) => {
      if (browser === undefined) throw new Error('the browser runs inside tests only');
      const context = await browser.newContext({
        viewport: { width: options.width ?? 1440, height: 900 },
        colorScheme: options.theme ?? 'light',
        timezoneId: 'Asia/Kolkata',
        reducedMotion: 'reduce',
      });
      const page = await context.newPage();
      page.setDefaultTimeout(60_000);
      return watched(page, options.allow);
    },
  };
}

interface OpenOptions {
  theme?: 'light' | 'dark';
  width?: number;
  /** Troubles that the test brings about. */
  allow?: RegExp;
}

function watched(page: Page, allow: RegExp | undefined): Watched {
  const troubles: string[] = [];
  const weights = new Map<string, number>();
  const note = (what: string) => {
    if (allow?.test(what) !== true) troubles.push(what);
  };
  let origin: string | undefined;
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') {
      note(`console: ${message.text()} ${message.location().url}`);
    }
  });
  page.on('pageerror', (error) => note(`script: ${error.message}`));
  page.on('request', (request) => {
    const url = new URL(request.url());
    origin ??= url.origin;
    if (url.origin !== origin && url.protocol !== 'data:') note(`request: ${url.href}`);
  });
  page.on('requestfinished', async (request) => {
    const sizes = await request.sizes().catch(() => undefined);
    if (sizes !== undefined) weights.set(request.url(), sizes.responseBodySize);
  });
  return { page, troubles, weights };
}

/** Opens a view of the dashboard and waits until it has been read. */
export async function openView(page: Page, view: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(`#/${view}`)}`);
  await settled(page);
}

/** Waits until the page is live and nothing is being read. */
export async function settled(page: Page): Promise<void> {
  await page.getByText('live', { exact: true }).waitFor();
  await page.locator('main h1').waitFor();
  await page
    .locator('main .quiet', { hasText: /^Reading / })
    .first()
    .waitFor({ state: 'detached' });
}

/** What axe finds wrong, "rule: what is meant by it, where". */
export async function axeFindings(page: Page): Promise<string[]> {
  // Evaluated by the debugger: the page's own policy refuses scripts that are not files.
  await page.evaluate(axe.source);
  const results = (await page.evaluate(
    'axe.run(document, { resultTypes: ["violations"] })',
  )) as axe.AxeResults;
  return results.violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${help}, ${target.join(' ')} ${failureSummary ?? ''}`),
  );
}

/** Pixels by which the document is wider than the window. */
export async function overflow(page: Page): Promise<number> {
  return (await page.evaluate(
    'document.scrollingElement.scrollWidth - document.documentElement.clientWidth',
  )) as number;
}
