import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { describeInBrowser, openView, useBrowser } from '../support/browser.js';
import { openAsOperator, useScene } from './scene.js';

/** More than the controls of any page here. */
const MOST_TABS = 120;

/** What has the focus: its label, else its text. */
const focused = (page: Page) =>
  page.evaluate(`(() => {
    const { activeElement: at } = document;
    return (at?.getAttribute('aria-label') ?? at?.textContent ?? '').trim();
  })()`) as Promise<string>;

/** Presses Tab until the control of this name has the focus. */
async function tabTo(page: Page, name: string): Promise<void> {
  for (let i = 0; i < MOST_TABS; i++) {
    await page.keyboard.press('Tab');
    if ((await focused(page)) === name) return;
  }
  throw new Error(`no Tab led to "${name}"`);
}

describeInBrowser('the dashboard by keyboard', () => {
  const scene = useScene();
  const browser = useBrowser();

  it('Tab leads to the action of a row, Enter asks and confirms, and Escape keeps things as they are', async () => {
    const page = await openAsOperator(browser, scene, 'queues');
    await tabTo(page, 'Pause queue nightly');
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Pause queue' });
    await dialog.waitFor();
    // A second Enter by mistake does nothing.
    expect(await focused(page)).toBe('Keep as it is');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    await expect.poll(() => focused(page)).toBe('Pause queue nightly');

    await page.keyboard.press('Enter');
    await dialog.waitFor();
    await tabTo(page, 'Pause queue');
    await page.keyboard.press('Enter');
    const row = page.getByRole('row', { name: /^nightly/ });
    await row.getByText('paused').waitFor();
    // The button is another one now, at the same place: the focus is not lost.
    await expect.poll(() => focused(page)).toBe('Resume queue nightly');
    await page.keyboard.press('Enter');
    await row.getByText('paused').waitFor({ state: 'detached' });
    await page.context().close();
  });

  it('what is open in a dialog is reached by Tab, and nothing behind it', async () => {
    const page = await openAsOperator(browser, scene, 'queues');
    await page.getByRole('button', { name: 'Purge the waiting jobs of queue nightly' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Purge queue' }).waitFor();
    for (let i = 0; i < 8; i++) {
      await page.keyboard.press('Tab');
      const inside = await page.evaluate(
        'document.activeElement === document.body || document.activeElement.closest("dialog") !== null',
      );
      expect(inside).toBe(true);
    }
    await page.keyboard.press('Escape');
    await page.context().close();
  });

  it('the first Tab offers to skip the navigation; pages, ranges and orders change by Enter', async () => {
    const page = await openAsOperator(browser, scene, 'overview');
    await page.reload();
    await page.locator('main h1').waitFor();
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('Skip to the page');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.tagName')).toBe('MAIN');
    await tabTo(page, '1 hour');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: '1 hour', pressed: true }).waitFor();

    await openView(page, 'queues');
    await tabTo(page, 'Waiting');
    await page.keyboard.press('Enter');
    await expect
      .poll(() => page.getByRole('columnheader', { name: 'Waiting' }).getAttribute('aria-sort'))
      .toBe('descending');
    expect(page.url()).toContain('sort=-waiting');
    await page.context().close();
  });
});
