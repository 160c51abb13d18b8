import { expect, it } from 'vitest';
import { InferClient } from '../../src/lib/client/client.js';
import { axeFindings, describeInBrowser, openView, settled, useBrowser } from '../support/browser.js';
import { openAsOperator, useScene } from './scene.js';

describeInBrowser('who may look, and actions on queues and jobs', () => {
  const scene = useScene();
  const browser = useBrowser();
  const operator = (view: string) => openAsOperator(browser, scene, view);
  const stateOf = async (id: string) =>
    (await scene.infer.ask(['inspect', 'job', id, '--json'])).json<{ state: string; priority: number }>();

  it('is asked for a token, told why one is refused, and let in with a valid one', async () => {
    const { page, troubles } = await browser.open({ allow: /status of 401/ });
    await page.goto(scene.url);
    const field = page.getByLabel('Token', { exact: true });
    await field.waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
    expect(await axeFindings(page)).toEqual([]);
    await field.fill('inf_wrong');
    await page.getByRole('button', { name: 'Open the dashboard' }).click();
    await page.getByRole('alert').waitFor();
    await field.fill(scene.tokens.reader);
    await page.getByRole('button', { name: 'Open the dashboard' }).click();
    await settled(page);
    expect(troubles).toEqual([]);

    await page.getByRole('button', { name: 'Sign out bob' }).click();
    await page.getByLabel('Token', { exact: true }).waitFor();
    await page.context().close();
  });

  it('brings the token in a link, which leaves the address and no cookie', async () => {
    const { page, troubles } = await browser.open();
    await page.goto(`${scene.url}#token=${scene.tokens.reader}&/queues`);
    await page.getByRole('heading', { level: 1, name: 'Queues' }).waitFor();
    await settled(page);
    expect(page.url()).toBe(`${scene.url}#/queues`);
    expect(await page.context().cookies()).toEqual([]);
    await page.reload();
    await settled(page);
    expect(troubles).toEqual([]);
    await page.context().close();
  });

  it('has no buttons with a token that only reads, and is refused without them', async () => {
    const { page } = await browser.open({ allow: /status of 403/ });
    await page.goto(`${scene.url}#token=${scene.tokens.reader}`);
    await settled(page);
    await openView(page, 'queues');
    expect(await page.getByRole('button', { name: /^(Pause|Purge|Resume) / }).count()).toBe(0);
    await page.getByText('Your token only reads.', { exact: false }).waitFor();
    const status = await page.evaluate(`fetch('api/actions/preview', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer ' + sessionStorage.getItem('infer-token') },
      body: JSON.stringify({ action: 'pause', queue: 'batch' }),
    }).then((answer) => answer.status)`);
    expect(status).toBe(403);
    await page.context().close();
  });

  it('pause a queue after a question that says what it touches, and resume it without one', async () => {
    const page = await operator('queues');
    const row = page.getByRole('row', { name: /^nightly/ });
    const pause = page.getByRole('button', { name: 'Pause queue nightly' });
    await pause.click();
    const dialog = page.getByRole('dialog', { name: 'Pause queue' });
    await dialog.getByText('Pauses queue nightly', { exact: false }).waitFor();
    expect(await axeFindings(page)).toEqual([]);

    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    const focused = () => page.evaluate('document.activeElement?.getAttribute("aria-label")');
    await expect.poll(focused).toBe('Pause queue nightly');

    await page.keyboard.press('Enter');
    await dialog.getByRole('button', { name: 'Pause queue' }).click();
    await row.getByText('paused').waitFor();
    await page.getByRole('button', { name: 'Resume queue nightly' }).click();
    await page.getByRole('button', { name: 'Pause queue nightly' }).waitFor();

    await openView(page, 'audit');
    const entry = page.getByRole('row', { name: /ada.*pause.*nightly/ });
    await entry.first().waitFor();
    await page.context().close();
  });

  it('purge a queue only after its name was typed', async () => {
    const id = await scene.submit({}, '-Q', 'trash');
    const page = await operator('queues');
    await page.getByRole('button', { name: 'Purge the waiting jobs of queue trash' }).click();
    const dialog = page.getByRole('dialog', { name: 'Purge queue' });
    await dialog.getByText('Cancels 1 waiting job of queue trash.').waitFor();
    const confirm = dialog.getByRole('button', { name: 'Purge queue' });
    expect(await confirm.isDisabled()).toBe(true);
    await dialog.getByLabel('Type trash to confirm').fill('trash');
    await confirm.click();
    await dialog.waitFor({ state: 'hidden' });
    await expect.poll(async () => (await stateOf(id)).state).toBe('cancelled');
    await page.context().close();
  });

  it('run all failed jobs that match again, and say how many before', async () => {
    const page = await operator('failures');
    const { failed } = scene.jobs;
    await page.getByRole('button', { name: 'Run all again: jobs that failed with HANDLER_FAILED' }).click();
    const dialog = page.getByRole('dialog', { name: 'Run again' });
    await dialog
      .getByText('Runs 3 failed jobs of queue batch with error HANDLER_FAILED again.', { exact: false })
      .waitFor();
    await dialog.getByRole('button', { name: 'Run again' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await openView(page, `jobs/${failed}`);
    await page.getByRole('rowheader', { name: 'waiting, run again by hand' }).waitFor();
    await page.context().close();
  });

  it('change the priority of a waiting job, and cancel it', async () => {
    const id = await scene.submit({});
    const page = await operator(`jobs/${id}`);
    await page.getByLabel('Priority').selectOption('9');
    await expect.poll(async () => (await stateOf(id)).priority).toBe(9);
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    const dialog = page.getByRole('dialog', { name: 'Cancel job' });
    await dialog.getByText(`Cancels job ${id}.`).waitFor();
    await dialog.getByRole('button', { name: 'Keep as it is' }).click();
    await dialog.waitFor({ state: 'hidden' });
    expect((await stateOf(id)).state).toBe('waiting');
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await dialog.getByRole('button', { name: 'Cancel job' }).click();
    await expect.poll(async () => (await stateOf(id)).state).toBe('cancelled');
    await page.context().close();
  });

  it('cancel all jobs that match the filters, and say how many before', async () => {
    const ids = [await scene.submit({}, '-Q', 'many'), await scene.submit({}, '-Q', 'many')];
    const page = await operator('jobs?queue=many&state=waiting');
    await page.getByRole('button', { name: 'Cancel all: jobs that match' }).click();
    const dialog = page.getByRole('dialog', { name: 'Cancel jobs' });
    await dialog.getByText('Cancels 2 waiting jobs of queue many', { exact: false }).waitFor();
    // It is as final as to purge the queue, and asks for the same.
    const confirm = dialog.getByRole('button', { name: 'Cancel jobs' });
    expect(await confirm.isDisabled()).toBe(true);
    await dialog.getByLabel('Type many to confirm').fill('many');
    await confirm.click();
    for (const id of ids) await expect.poll(async () => (await stateOf(id)).state).toBe('cancelled');
    await page.context().close();
  });

  it('run one failed job again at once; one that is no longer kept is refused', async () => {
    const id = await scene.submit({ do: 'throw' }, '-Q', 'realtime');
    await scene.infer.ask(['result', id, '--wait']);
    const page = await operator(`jobs/${id}`);
    await page.getByRole('button', { name: 'Run again' }).click();
    await page.getByRole('rowheader', { name: 'waiting, run again by hand' }).waitFor();
    await expect.poll(() => page.getByRole('rowheader', { name: 'attempt 1' }).count()).toBe(2);
    await expect.poll(async () => (await stateOf(id)).state).toBe('failed');

    // The page is held while the record is deleted: the button is still there.
    await page.getByRole('button', { name: 'Run again' }).waitFor();
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    const purged = await scene.infer.ask(['control', 'purge', 'realtime', '--state', 'failed', '--yes']);
    expect(purged.exitCode).toBe(0);
    await page.getByRole('button', { name: 'Run again' }).click();
    await page.getByRole('alert').filter({ hasText: id }).waitFor();
    await page.context().close();
  });

  it('follow an action on many jobs, also after a reload, and stop it between two pages of them', async () => {
    const jobs = 3000;
    const client = await InferClient.connect({ redis: scene.redis.url });
    const row = { pages: 1 };
    const options = { model: 'acts', queue: 'long' };
    await Promise.all(Array.from({ length: jobs }, () => client.submit(row, options)));
    await client.close();
    const page = await operator('jobs?queue=long&state=waiting');
    await page.getByRole('button', { name: 'Cancel all: jobs that match' }).click();
    const dialog = page.getByRole('dialog', { name: 'Cancel jobs' });
    await dialog.getByText('Cancels at most 3,000 waiting jobs of queue long.').waitFor();
    await dialog.getByLabel('Type long to confirm').fill('long');
    // Redis holds back what changes jobs, so that the action is still in progress when it is stopped.
    const redis = await scene.redis.client('worker');
    await redis.call('CLIENT', 'PAUSE', '110000', 'WRITE');
    try {
      await dialog.getByRole('button', { name: 'Cancel jobs' }).click();
      const toasts = page.locator('.toasts');
      await toasts.getByText('0 of at most 3,000 done').waitFor();
      expect(await axeFindings(page)).toEqual([]);
      await page.reload();
      await toasts.getByText('0 of at most 3,000 done').waitFor();
      // Who only reads is told of it too, and by whom it was begun.
      const { page: other } = await browser.open();
      await other.goto(`${scene.url}#token=${scene.tokens.reader}`);
      await other.locator('.toasts').getByText('ada: Cancels at most 3,000', { exact: false }).waitFor();
      expect(await other.getByRole('button', { name: 'Stop', exact: false }).count()).toBe(0);
      await other.context().close();
      await page.getByRole('button', { name: 'Stop: Cancels at most 3,000' }).click();
    } finally {
      await redis.call('CLIENT', 'UNPAUSE');
    }
    await page.locator('.toasts').getByText('someone stopped it on the dashboard').waitFor();
    const { queues } = (await scene.infer.ask(['inspect', 'queues', '--json'])).json<{
      queues: { name: string; waiting: number }[];
    }>();
    expect(queues.find(({ name }) => name === 'long')?.waiting).toBeGreaterThan(0);
    await page.context().close();
  });
});
