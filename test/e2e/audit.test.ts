/** Who changed which slice: paged from the agent, live, per host and per slice, and as files. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';

describe.skipIf(cannotRun)('audit', () => {
  const fake = useFakePage();
  const rows = () => fake.page.locator('.audit .virtual .audit-row');
  const openAudit = async (): Promise<void> => {
    await fake.page.getByRole('tab', { name: 'Audit' }).click();
    await rows().first().waitFor();
  };

  it('shows who, from where, and before and after', async () => {
    const page = await fake.open();
    await openAudit();
    await expect
      .poll(() => page.locator('.audit').textContent())
      .toMatch(/(mira|tom|wei|lab)10\.0\.0\.7changed[\w-]+memory GiB \d+\.\d → \d+\.\d/);
    expect(await page.locator('.audit').textContent()).toContain('refused: no right to it');
  });

  it('reads older pages when they come into sight, and says when that is all', async () => {
    const page = await fake.open();
    await openAudit();
    expect((await fake.calls('audit:get')).at(-1)).toMatchObject({ beforeSeq: null, maxRecords: 100 });
    const older = async (): Promise<number> =>
      ((await fake.calls('audit:get')) as { beforeSeq: number | null }[]).filter(
        (one) => one.beforeSeq !== null,
      ).length;
    expect(await older()).toBe(0);
    const list = page.getByRole('region', { name: /Audit of hopper/ });
    const end = page.locator('.audit-end');
    const atEnd = async (): Promise<string | null> => {
      await list.evaluate((element) => element.scrollTo(0, element.scrollHeight));
      // In one look: a page that comes in between takes the end out of sight, and waiting for it would be for ever.
      return (await end.allTextContents())[0] ?? null;
    };
    await expect.poll(atEnd).toContain('240 edits');
    expect(await older()).toBe(2);
    expect(await rows().count()).toBeLessThan(60);
  });

  it('adds an edit as it happens', async () => {
    const page = await fake.open();
    await openAudit();
    await fake.slider('finetune').focus();
    await page.keyboard.press('Shift+ArrowRight');
    await expect.poll(() => rows().first().textContent()).toContain('memory GiB 16.0 → 21.0');
  });

  it('shows one slice alone, from its menu', async () => {
    const page = await fake.open();
    await fake.slider('nightly').click({ button: 'right' });
    await page.getByRole('menuitem', { name: 'Who changed it' }).click();
    await rows().first().waitFor();
    const names = await page.locator('.audit .virtual .audit-row > :nth-child(5)').allTextContents();
    expect(new Set(names)).toEqual(new Set(['nightly']));
    await page.getByRole('button', { name: /Only nightly/ }).click();
    await expect
      .poll(
        async () =>
          new Set(await page.locator('.audit .virtual .audit-row > :nth-child(5)').allTextContents()).size,
      )
      .toBeGreaterThan(1);
  });

  it('has what happened in the events of a window that was just opened, of the host and of a slice', async () => {
    const page = await fake.open();
    await page.getByRole('tab', { name: 'Events' }).click();
    const list = page.locator('#dock-panel .events > div');
    await expect.poll(() => list.count()).toBeGreaterThan(99);
    const said = (await list.allTextContents()).join('\n');
    expect(said).toMatch(/(mira|tom|wei|lab) changed [\w-]+: memory GiB/);
    expect(said).toContain('nightly was denied 3.0 GiB');
    const times = await page.locator('#dock-panel .events dd').allTextContents();
    expect(times[0]).toMatch(/^(\d+ \w{3} )?\d\d:\d\d$/);
    await fake.slider('finetune').click();
    await expect.poll(() => page.locator('.inspector .events > div').count()).toBe(6);
    expect(await page.locator('.inspector .events').textContent()).toContain('finetune');
    expect(await page.getByText('Nothing has happened').count()).toBe(0);
  });

  it.each(['CSV', 'JSON'])('writes all of it to a file, %s', async (format) => {
    const page = await fake.open();
    await openAudit();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: format, exact: true }).click(),
    ]);
    expect(download.suggestedFilename()).toMatch(/^tranche-audit-hopper-[\d-]+\.(csv|json)$/);
    const text = await readFile(await download.path(), 'utf8');
    if (format === 'JSON') {
      expect(JSON.parse(text)).toHaveLength(240);
    } else {
      expect(text.trim().split('\r\n')).toHaveLength(241);
      expect(text).toContain(`"'=HYPERLINK(""http://example.com"")"`);
    }
  });
});
