/** Errors that the driver reported of a GPU: under its bar, in its inspector, and in the list of events. */
import { describe, expect, it } from 'vitest';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';

describe.skipIf(cannotRun)('errors of a GPU', () => {
  const fake = useFakePage();

  it('stand under the bar while they are news, and in the inspector with number and meaning', async () => {
    const page = await fake.open({ scene: 'faults' });
    const card = page.getByRole('article', { name: /GPU 2/ });
    // What is broken goes before what a program did wrong.
    expect(await card.locator('.after-strip').textContent()).toMatch(/^XID 94 at .*hit one program/);
    await page.getByRole('button', { name: 'GPU 2', exact: true }).click();
    const section = page.locator('.inspector section', { hasText: 'Errors of the driver' });
    const rows = await section.locator('.events > div').allTextContents();
    expect(rows).toHaveLength(3);
    expect(rows[0]).toMatch(/XID 13, a program’s fault\. A kernel did.*14 times since \d\d:\d\d/);
    expect(rows[1]).toMatch(/XID 94, hardware\./);
    expect(rows[2]).toMatch(/^\d+ \w{3} \d\d:\d\dXID 171\. NVIDIA's list/);
    await page.getByRole('button', { name: 'GPU 0', exact: true }).click();
    expect(await section.textContent()).toContain('None reported while an agent ran.');
    await page.getByRole('button', { name: 'GPU 1', exact: true }).click();
    expect(await section.textContent()).toContain('— (this agent does not listen for them)');
  });

  it('are not told of a host without a GPU, which can be looked for at once', async () => {
    const page = await fake.open();
    await page
      .getByRole('button', { name: /noether/ })
      .first()
      .click();
    await page.getByText('No GPU to manage').waitFor();
    await page.getByRole('button', { name: 'Look again' }).click();
    await page.getByText('This host still has no GPU to manage: no driver was found.').first().waitFor();
    expect(await fake.calls('gpu:look')).toHaveLength(1);
  });

  it('stand beside a slice that is suspended, which says so wherever it is shown', async () => {
    const page = await fake.open({ scene: 'faults' });
    const card = page.getByRole('article', { name: /GPU 0/ });
    expect(await card.locator('.after-strip').textContent()).toMatch(
      /^embed is suspended.*uid 1000 is not tom any more/,
    );
    const segment = fake.slider('embed');
    expect(await segment.getAttribute('aria-valuetext')).toContain('suspended: uid 1000');
    await segment.click();
    const notice = page.locator('.inspector .notice');
    expect(await notice.textContent()).toContain('Suspended: nothing is admitted.');
    await notice.getByRole('button', { name: 'Give to…' }).click();
    await page.locator('.palette input').waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('Alt+3');
    expect(await page.getByRole('row', { name: /embed/ }).first().textContent()).toContain('suspended');
  });

  it('stand beside MIG slices, which are listed and left alone', async () => {
    const page = await fake.open({ scene: 'faults' });
    const card = page.getByRole('article', { name: /GPU 1/ });
    expect(await card.locator('.vitals').textContent()).toContain('MIG: 2 slices');
    await page.getByRole('button', { name: 'GPU 1', exact: true }).click();
    expect(await card.getByRole('button', { name: /Quarter|Halves/ }).count()).toBe(0);
    expect(await card.textContent()).toContain('cut by the hardware, not by Tranche');
    await page.keyboard.press('n');
    const sheet = page.getByRole('dialog', { name: 'New slice on hopper' });
    expect(await sheet.textContent()).toContain('This GPU is cut by the hardware (MIG)');
    await page.keyboard.press('Escape');
    const section = page.locator('.inspector section', { hasText: 'MIG slices' });
    expect(await section.getByRole('row').allTextContents()).toEqual(['1g.6gb6.0', '2g.12gb12.0']);
    await page.getByRole('button', { name: 'GPU 0', exact: true }).click();
    expect(await section.count()).toBe(0);
  });

  it('come as an event and as a notice of the desktop', async () => {
    const page = await fake.open();
    await page.evaluate(() => {
      const { __trancheFake: lab } = window as unknown as {
        __trancheFake: { push: (event: unknown) => void };
      };
      lab.push({
        event: 'notice',
        data: {
          hostId: 'ssh:hopper',
          atMs: Date.now(),
          code: 'xid',
          sliceId: null,
          gpuUuid: 'GPU-hopper-2',
          message: 'GPU 2 reported XID 79. The GPU has fallen off the bus.',
        },
      });
    });
    await expect
      .poll(() => fake.calls('notice:show'))
      .toMatchObject([
        { title: 'GPU 2 of hopper reported an error', link: 'tranche://host/hopper/gpu/GPU-hopper-2' },
      ]);
    await page.getByRole('tab', { name: 'Events' }).click();
    // Others may stand beside it: what an agent has kept from before this window is in the same list.
    await page.locator('.dock-events .bad', { hasText: 'XID 79' }).waitFor();
  });
});
