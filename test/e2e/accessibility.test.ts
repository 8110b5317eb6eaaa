/** Every screen, as axe sees it; and every flow by keys alone, as a reader hears it. */
import AxeBuilder from '@axe-core/playwright';
import { describe, expect, it } from 'vitest';
import { MIN_HEIGHT, MIN_WIDTH } from '../../electron/main/window-options.ts';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';
import { PICTURES } from '../renderer/pictures.ts';

describe.skipIf(cannotRun)('accessibility', () => {
  const fake = useFakePage();

  it.each(PICTURES.map((picture) => [picture.name, picture] as const))(
    'axe finds nothing on %s',
    async (_name, picture) => {
      const page = await fake.open(picture.options);
      await picture.act?.(page);
      // Samples and sheets have come; axe looks at one moment.
      await page.waitForTimeout(300);
      const { violations } = await new AxeBuilder({ page }).analyze();
      // In the smallest window that can be had, whatever can overflow does: keys alone must reach it too.
      await page.setViewportSize({ width: MIN_WIDTH, height: MIN_HEIGHT });
      const small = await new AxeBuilder({ page }).withRules(['scrollable-region-focusable']).analyze();
      violations.push(...small.violations);
      await page.mouse.up();
      const found = violations.flatMap(({ id, nodes }) =>
        nodes.map(
          (node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary?.split('\n').at(1) ?? ''}`,
        ),
      );
      expect(found).toEqual([]);
    },
  );

  const said = () => fake.page.locator('[role=status][aria-live=polite]').textContent();

  it('needs no mouse: make, resize, rename, end, trade, give, audit, delete, undo', async () => {
    const page = await fake.open({ scene: 'bare' });
    const { keyboard } = page;
    /** Letters that come before the box is there would be commands. */
    const answer = async (key: string, words: string): Promise<void> => {
      await keyboard.press(key);
      await page.locator('.palette input').waitFor();
      await keyboard.type(words);
      await keyboard.press('Enter');
    };
    await keyboard.press('n');
    await page.getByRole('dialog', { name: /New slice/ }).waitFor();
    await keyboard.press('Enter');
    await expect.poll(() => page.getByRole('slider').count()).toBe(1);
    await keyboard.press('n');
    await page.getByRole('dialog', { name: /New slice/ }).waitFor();
    await keyboard.press('Enter');
    await expect.poll(() => page.getByRole('slider').count()).toBe(2);
    // From the top of the page to the first slice, by Tab alone.
    await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
    const focusedRole = (): Promise<string | null | undefined> =>
      page.evaluate(() => document.activeElement?.getAttribute('role'));
    for (let i = 0; i < 60 && (await focusedRole()) !== 'slider'; i += 1) await keyboard.press('Tab');
    expect(await focusedRole()).toBe('slider');
    await keyboard.press('Space');
    await keyboard.press('Shift+ArrowRight');
    await keyboard.press('Enter');
    await expect.poll(said).toMatch(/grown from 10\.0 to 15\.0 GiB/);
    await keyboard.press('F2');
    await page.getByRole('dialog', { name: /Rename/ }).waitFor();
    await keyboard.type('mine');
    await keyboard.press('Enter');
    await expect.poll(said).toContain('renamed to mine');
    // What is said of the next edit has the name of the picture, which comes after the answer.
    await fake.slider('mine').waitFor();
    await answer('u', 'friday');
    await expect.poll(said).toMatch(/mine ends .* 18:00/);
    await keyboard.press('x');
    await page.getByRole('dialog', { name: /Trade/ }).waitFor();
    await keyboard.type('12');
    await keyboard.press('Enter');
    await expect.poll(said).toMatch(/mine gave 3\.0 GiB to/);
    await answer('g', 'wei');
    await expect.poll(said).toBe('mine given to wei');
    await answer('Control+k', 'who changed');
    await expect.poll(() => page.locator('.audit').textContent()).toContain('gave away');
    await keyboard.press('Delete');
    await expect.poll(said).toBe('mine deleted');
    await keyboard.press('Control+z');
    await expect.poll(said).toBe('Undone: mine deleted');
    await expect.poll(() => page.getByRole('slider').count()).toBe(2);
  });

  it('opens the menu of a slice with the menu key, and gives the focus back', async () => {
    const page = await fake.open();
    await fake.slider('nightly').focus();
    await page.keyboard.press('Shift+F10');
    await page.getByRole('menu').waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByRole('menu').count()).toBe(0);
    await expect
      .poll(() => page.evaluate(() => document.activeElement?.getAttribute('aria-label')))
      .toMatch(/^nightly,/);
  });

  it('reads out changes of state, and no samples', async () => {
    const page = await fake.open();
    await page.waitForTimeout(1500);
    expect(await said()).toBe('');
    await page.keyboard.press('Control+7');
    await page.evaluate(() => {
      (
        window as unknown as { __trancheFake: { setConnection(id: string, c: unknown): void } }
      ).__trancheFake.setConnection('ssh:ada', { kind: 'disconnected' });
    });
    await expect.poll(said).toBe('ada: disconnected');
  });
});
