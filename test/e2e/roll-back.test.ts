/** The way back to the version of the agent before, where one is kept on the host. */
import { describe, expect, it } from 'vitest';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';

describe.skipIf(cannotRun)('going back to an earlier agent', () => {
  const fake = useFakePage();

  it('asks it what it is, says what stays, and goes back', async () => {
    const page = await fake.open();
    await page.getByRole('button', { name: 'Go back to agent 0.0.9…' }).click();
    const dialog = page.getByRole('dialog', { name: 'Go back to agent 0.0.9 on hopper?' });
    await expect.poll(() => dialog.textContent()).toContain('speaks protocol 1 and reads slices in format 1');
    expect(await dialog.textContent()).toContain('Slices, owners, history and audit stay');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Cancel');
    await dialog.getByRole('button', { name: 'Go back' }).click();
    await expect.poll(() => fake.calls('host:roll-back')).toMatchObject([{ version: '0.0.9-x86_64' }]);
    await expect.poll(() => fake.toast().textContent()).toContain('hopper runs agent 0.0.9 again');
    await page.getByRole('button', { name: 'Upgrade agent to 0.1.0' }).waitFor();
    expect(await page.getByRole('button', { name: /Go back to agent/ }).count()).toBe(0);
  });

  it('offers no way back that would hurt, with the reason', async () => {
    const page = await fake.open({ rollbackRefusal: 'It speaks protocol 0 and this app 1.' });
    await page.getByRole('button', { name: 'Go back to agent 0.0.9…' }).click();
    const dialog = page.getByRole('dialog');
    await expect.poll(() => dialog.textContent()).toContain('It speaks protocol 0 and this app 1.');
    await dialog.getByRole('button', { name: 'Go back' }).click({ force: true });
    expect(await fake.calls('host:roll-back')).toEqual([]);
  });

  it('is refused by name where no earlier version is kept', async () => {
    const page = await fake.open({ scene: 'bare' });
    await page.keyboard.press('Control+k');
    await page.keyboard.type('go back to the agent');
    await expect
      .poll(() => page.locator('.palette-row').first().textContent())
      .toContain('No earlier version of your agent is kept on solo.');
  });
});
