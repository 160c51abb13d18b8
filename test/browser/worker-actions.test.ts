import { expect, it } from 'vitest';
import { axeFindings, describeInBrowser, useBrowser } from '../support/browser.js';
import { doubler, writeModel } from '../support/onnx-builder.js';
import { openAsOperator, useScene } from './scene.js';

interface Worker {
  name: string;
  startedAt: number;
  concurrency: number;
  models: { name: string }[];
}

describeInBrowser('actions on workers', () => {
  const scene = useScene();
  const browser = useBrowser();
  const operator = (view: string) => openAsOperator(browser, scene, view);
  const workers = async () =>
    (await scene.infer.ask(['inspect', 'workers', '--json'])).json<{ workers: Worker[] }>().workers;
  const modelsOf = async () => (await workers()).flatMap(({ models }) => models.map(({ name }) => name));

  it('set the concurrency at once; one that is out of range is refused, and says what is allowed', async () => {
    const page = await operator('workers/worker-1');
    await page.getByLabel('Concurrency (runs at a time)').fill('2');
    await page.getByRole('button', { name: 'Set', exact: true }).click();
    await page.getByText('2 runs', { exact: true }).waitFor();
    expect((await workers())[0]?.concurrency).toBe(2);
    await page.getByLabel('Concurrency (runs at a time)').fill('100000');
    await page.getByRole('button', { name: 'Set', exact: true }).click();
    await page.getByRole('alert').filter({ hasText: 'concurrency' }).waitFor();
    expect((await workers())[0]?.concurrency).toBe(2);
    await page.context().close();
  });

  it('load a model at once; one that is not there is refused by the worker, and says why', async () => {
    const page = await operator('workers/worker-1');
    const field = page.getByLabel('Model to load, or to load again');
    await field.fill('late');
    await page.getByRole('button', { name: 'Load', exact: true }).click();
    await page.locator('.toasts .bad').filter({ hasText: 'late' }).waitFor();

    writeModel(scene.models, 'late', doubler());
    await page.getByRole('button', { name: 'Load', exact: true }).click();
    await page.getByRole('rowheader', { name: 'late@1' }).waitFor();
    expect(await modelsOf()).toEqual(['acts', 'late']);
    await page.context().close();
  });

  it('unload a model after a question; the last one is refused', async () => {
    const page = await operator('workers/worker-1');
    await page.getByRole('button', { name: 'Unload model late' }).click();
    const dialog = page.getByRole('dialog', { name: 'Unload model' });
    await dialog.getByText('Unloads model late on worker worker-1', { exact: false }).waitFor();
    expect(await axeFindings(page)).toEqual([]);
    await dialog.getByRole('button', { name: 'Keep as it is' }).click();
    await dialog.waitFor({ state: 'hidden' });
    expect(await modelsOf()).toEqual(['acts', 'late']);

    await page.getByRole('button', { name: 'Unload model late' }).click();
    await dialog.getByRole('button', { name: 'Unload model' }).click();
    await page.getByRole('rowheader', { name: 'late@1' }).waitFor({ state: 'detached' });
    expect(await modelsOf()).toEqual(['acts']);

    await page.getByRole('button', { name: 'Unload model acts' }).click();
    await dialog.getByRole('button', { name: 'Unload model' }).click();
    await page.locator('.toasts').getByText('acts is the last model it serves', { exact: false }).waitFor();
    expect(await modelsOf()).toEqual(['acts']);
    await page.context().close();
  });

  it('restart a worker after a question: it reopens under its name', async () => {
    const page = await operator('workers');
    const startedAt = (await workers())[0]?.startedAt as number;
    await page.getByRole('button', { name: 'Restart worker worker-1' }).click();
    const dialog = page.getByRole('dialog', { name: 'Restart worker' });
    await dialog.getByText('Restarts worker worker-1', { exact: false }).waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Restart worker worker-1' }).click();
    await dialog.getByRole('button', { name: 'Restart worker' }).click();
    await expect.poll(async () => (await workers())[0]?.startedAt ?? 0).toBeGreaterThan(startedAt);
    await page.getByRole('rowheader', { name: 'worker-1' }).first().waitFor();
    // What it was told to serve at its start, not what was changed since.
    expect((await workers())[0]).toMatchObject({ name: 'worker-1', concurrency: 1 });
    await page.context().close();
  });

  it('drain a worker, which then leaves; one that has left is refused', async () => {
    const [page, held] = [await operator('workers'), await operator('workers')];
    await held.getByRole('button', { name: 'Pause', exact: true }).click();
    await page.getByRole('button', { name: 'Drain worker worker-1' }).click();
    const dialog = page.getByRole('dialog', { name: 'Drain worker' });
    await dialog.getByText('Drains worker worker-1', { exact: false }).waitFor();
    await dialog.getByRole('button', { name: 'Drain worker' }).click();
    await page.getByText('No worker runs. Start one:').waitFor();
    expect(await scene.worker.exited).toBe(0);

    await held.getByRole('button', { name: 'Restart worker worker-1' }).click();
    await held.getByRole('alert').filter({ hasText: 'no worker is running' }).waitFor();
    for (const one of [page, held]) await one.context().close();
  });
});
