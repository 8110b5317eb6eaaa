/** What a process belongs to beside its user: a container, a batch job, a service. */
import { describe, expect, it } from 'vitest';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';

describe.skipIf(cannotRun)('containers and jobs', () => {
  const fake = useFakePage();
  const dock = () => fake.page.locator('.dock');

  it('have a column where there are any, and stand in the question before a stop', async () => {
    const page = await fake.open();
    const row = (slice: string) => dock().getByRole('row', { name: new RegExp(slice) });
    await row('serve-7b').waitFor();
    expect(await row('serve-7b').textContent()).toContain('docker 3f2a91c0b1de');
    expect(await row('finetune').textContent()).toContain('Slurm job 4711');
    expect(await row('nb-wei').textContent()).toContain('jupyterhub.service');
    await dock().getByRole('columnheader', { name: 'Container, job' }).click();
    await row('serve-7b').focus();
    await page.keyboard.press('t');
    const dialog = page.getByRole('dialog', { name: /Stop process/ });
    expect(await dialog.textContent()).toMatch(/Part of\s*docker 3f2a91c0b1de/);
  });

  it('have none where nothing is known', async () => {
    const page = await fake.open({ scene: 'idle' });
    await dock()
      .getByRole('row', { name: /worker/ })
      .waitFor();
    expect(await page.getByRole('columnheader', { name: 'Container, job' }).count()).toBe(0);
  });
});
