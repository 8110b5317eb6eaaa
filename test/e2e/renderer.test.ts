/** The built renderer in Chromium against the fake lab: what a hand, a key and a reader can do. */
import { describe, expect, it } from 'vitest';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';
import { takeEdge } from '../renderer/gestures.ts';

describe.skipIf(cannotRun)('renderer', () => {
  const fake = useFakePage();
  const { open, slider, gib: value, toast, calls } = fake;

  it('resizes by dragging the edge, and takes it back with Undo', async () => {
    const page = await open();
    const { x, y } = await takeEdge(page, 'finetune');
    await page.mouse.move(x + 80, y, { steps: 4 });
    await expect.poll(() => page.locator('.tip.is-on').textContent()).toMatch(/16\.0 → \d+\.\d GiB/);
    await expect.poll(() => page.locator('.ghost').textContent()).toMatch(/^\+/);
    await page.mouse.up();
    await toast().waitFor();
    expect(await toast().textContent()).toMatch(/finetune grown from 16\.0 to \d+\.\d GiB/);
    await expect.poll(() => value('finetune')).toBeGreaterThan(16);
    await page.keyboard.press('Control+z');
    await expect.poll(() => value('finetune')).toBe(16);
    expect(await calls('slice:undo')).toHaveLength(1);
  });

  it('leaves everything as it was when Esc is pressed during a drag', async () => {
    const page = await open();
    const { x, y } = await takeEdge(page, 'finetune');
    await page.mouse.move(x - 60, y, { steps: 4 });
    await page.keyboard.press('Escape');
    await page.mouse.up();
    expect(await page.locator('.ghost').count()).toBe(0);
    expect(await calls('slice:resize')).toEqual([]);
    expect(await value('finetune')).toBe(16);
  });

  it('resizes with the keys, as one edit', async () => {
    const page = await open();
    await slider('finetune').focus();
    for (const key of ['ArrowLeft', 'ArrowLeft', 'ArrowLeft']) await page.keyboard.press(key);
    await toast().waitFor();
    expect(await calls('slice:resize')).toMatchObject([
      { memoryLimitBytes: 14.5 * 1024 ** 3, belowUse: 'when-it-drops' },
    ]);
    await page.keyboard.press('Shift+ArrowRight');
    await expect.poll(() => value('finetune')).toBe(19.5);
  });

  it('takes a typed size and says why another is refused', async () => {
    const page = await open();
    await slider('finetune').focus();
    await page.keyboard.press('Enter');
    await page.keyboard.type('200g');
    await expect.poll(() => page.locator('.typed').textContent()).toContain('the GPU has 48.0 GiB');
    await page.keyboard.press('Enter');
    expect(await calls('slice:resize')).toEqual([]);
    await page.keyboard.press('Control+a');
    await page.keyboard.type('20 GiB');
    await page.keyboard.press('Enter');
    await expect.poll(() => value('finetune')).toBe(20);
  });

  it('makes a slice with one click on an empty GPU', async () => {
    const page = await open({ scene: 'bare' });
    await page.getByRole('button', { name: /^Quarter 10/ }).click();
    await toast().waitFor();
    expect(await calls('slice:create')).toMatchObject([
      { memoryLimitBytes: 10 * 1024 ** 3, computeLimitPercent: 25, owner: null },
    ]);
    await expect.poll(() => page.locator('.inspector h2').textContent()).toBe('mira-1');
    expect(await page.locator('.run code').textContent()).toBe(
      '/home/mira/.local/share/tranche/current/tranche run --slice mira-1 -- python train.py',
    );
  });

  it.each([true, false])(
    'names the program in full until a login shell was seen to find it: %s',
    async (proven) => {
      const page = await open(proven ? {} : { linkUnproven: true });
      await page.getByRole('button', { name: /^Link as/ }).click();
      await expect
        .poll(() => toast().textContent())
        .toMatch(
          proven
            ? /tested: a login shell on hopper finds/
            : /does not find it: put ~\/\.local\/bin into PATH/,
        );
      await slider('nightly').click();
      await expect
        .poll(() => page.locator('.run code').textContent())
        .toBe(
          `${proven ? 'tranche' : '/home/mira/.local/share/tranche/current/tranche'} run --slice nightly -- python train.py`,
        );
      await page.getByRole('button', { name: 'Copy the run command' }).click();
      const copied = await page.evaluate(
        () => (window as unknown as { __trancheFake: { copied: string | null } }).__trancheFake.copied,
      );
      expect(copied).toBe(await page.locator('.run code').textContent());
    },
  );

  it('says a refusal of the agent and leaves the slice alone', async () => {
    const page = await open({ refuse: 'changed-since' });
    const { x, y } = await takeEdge(page, 'finetune');
    await page.mouse.move(x + 40, y, { steps: 3 });
    await page.mouse.up();
    await toast().waitFor();
    expect(await toast().textContent()).toContain('Nothing was changed');
    await expect.poll(() => page.locator('.ghost').count()).toBe(0);
    expect(await value('finetune')).toBe(16);
  });

  it('stops a process only after naming it, with Cancel focused', async () => {
    const page = await open();
    await page.locator('.dock .data-row').first().focus();
    await page.keyboard.press('k');
    const dialog = page.getByRole('dialog');
    expect(await dialog.textContent()).toMatch(/Stop process \d+ on hopper\?.*User.*Command.*Running for/s);
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Cancel');
    await page.keyboard.press('Enter');
    expect(await calls('process:stop')).toEqual([]);
    await expect.poll(() => page.evaluate(() => document.activeElement?.className)).toBe('data-row');
    await page.keyboard.press('t');
    await dialog.getByRole('button', { name: /^Stop process/ }).click();
    await toast().waitFor();
    expect(await calls('process:stop')).toMatchObject([{ signal: 'TERM' }]);
  });

  it('cancels an unknown host key by default and remembers it when told to', async () => {
    const page = await open({ scene: 'prompt-key' });
    const dialog = page.getByRole('dialog');
    expect(await dialog.textContent()).toContain('SHA256:m5pGJb3Xw0f8oYk2Zc0T1yq0Zz8nI9n6Wc3mJt2aB1Q');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Cancel');
    await dialog.getByRole('button', { name: 'Remember and connect' }).click();
    await expect.poll(() => calls('prompt:answer')).toMatchObject([{ answers: ['remember'] }]);
  });

  it('sends nothing with Enter while a form says what is wrong', async () => {
    const page = await open();
    await slider('nightly').click();
    await page.keyboard.press('F2');
    const rename = page.getByRole('dialog', { name: 'Rename nightly' });
    await rename.getByLabel('Name').fill('two words');
    await page.keyboard.press('Enter');
    expect(await rename.getByRole('status').textContent()).toContain('letters, digits');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Connect…' }).click();
    const connect = page.getByRole('dialog', { name: 'Connect to a host' });
    await connect.getByLabel('Host').press('Enter');
    await connect.waitFor();
    expect([...(await calls('slice:rename')), ...(await calls('host:add'))]).toEqual([]);
  });

  it('sends a password once and keeps it nowhere in the page', async () => {
    const page = await open({ scene: 'prompt-password' });
    await page.keyboard.type('correct horse');
    await page.keyboard.press('Enter');
    await expect.poll(() => calls('prompt:answer')).toMatchObject([{ answers: ['correct horse'] }]);
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
    expect(await page.content()).not.toContain('correct horse');
    expect(
      await page.evaluate(() =>
        JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)]),
      ),
    ).not.toContain('correct horse');
  });

  it('shows hostile names as text', async () => {
    const page = await open({ scene: 'crowd' });
    await page.getByText('<b>bold</b>').first().waitFor();
    expect(await page.locator('.seg b b, .dock img').count()).toBe(0);
    expect(await page.locator('[data-host-row]').nth(1).getAttribute('aria-label')).toContain(
      'workstation-with',
    );
  });

  it('changes nothing for somebody who may only look, and says why', async () => {
    const page = await open({ scene: 'crowd' });
    const first = slider('job-0');
    expect(await first.getAttribute('title')).toContain('Only an-administrator-with-a-long-name');
    await first.focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Delete');
    await page.waitForTimeout(800);
    expect(await calls('slice:resize')).toEqual([]);
    expect(await calls('slice:delete')).toEqual([]);
  });

  it('is used by keys alone: filter, host, slice, rename, delete, undo', async () => {
    const page = await open();
    await page.keyboard.press('/');
    await page.keyboard.type('ada');
    await expect.poll(() => page.locator('[data-host-row]').count()).toBe(1);
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+2');
    await expect.poll(() => page.locator('h1').textContent()).toBe('ada');
    await page.keyboard.press('Control+1');
    await slider('nb-wei').focus();
    await page.keyboard.press('Space');
    await page.keyboard.press('F2');
    await page.keyboard.type('notebook');
    await page.keyboard.press('Enter');
    await slider('notebook').waitFor();
    await page.keyboard.press('Control+z');
    await slider('nb-wei').waitFor();
    await page.keyboard.press('Control+n');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
  });

  it('asks before deleting a slice in which somebody runs', async () => {
    const page = await open();
    await slider('nb-wei').click();
    await page.keyboard.press('Delete');
    expect(await page.getByRole('dialog').textContent()).toContain('One process runs in it');
    await page.keyboard.press('Escape');
    expect(await calls('slice:delete')).toEqual([]);
  });

  it('hands a slice over when it is dropped on a person', async () => {
    const page = await open();
    await slider('finetune').dragTo(page.locator('.people li', { hasText: 'tom' }));
    await expect.poll(() => calls('slice:assign')).toMatchObject([{ owner: 'tom' }]);
  });

  it('stands still when paused', async () => {
    const page = await open();
    await page.locator('body').press('Space');
    const busy = page.locator('.gut.inline b').first();
    const before = await busy.textContent();
    await page.waitForTimeout(1300);
    expect(await busy.textContent()).toBe(before);
    expect(await page.locator('.live').textContent()).toContain('Paused');
  });

  it('keeps answering when samples come fifty times a second', async () => {
    const page = await open({ sampleMs: 20, scene: 'crowd' });
    await slider('job-0').click();
    const lateMs = await page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          let worst = 0;
          let last = performance.now();
          const timer = setInterval(() => {
            worst = Math.max(worst, performance.now() - last - 50);
            last = performance.now();
          }, 50);
          setTimeout(() => {
            clearInterval(timer);
            resolve(worst);
          }, 3000);
        }),
    );
    expect(lateMs).toBeLessThan(400);
  });

  it.each([
    ['dark', true],
    ['light', false],
  ])('writes every text at 4.5 : 1 or more on its paper, %s', async (_name, dark) => {
    const page = await open({ dark });
    await slider('nightly').click();
    const faint = await page.evaluate(faintTexts);
    expect(faint).toEqual([]);
  });

  it.each([
    ['wide', 1600, 1000],
    ['compact', 1024, 700],
  ])('says the difference of a drag where it hides no text, %s', async (_name, width, height) => {
    const page = await open({ width, height });
    for (const pixels of [30, 200, -30]) {
      const { x, y } = await takeEdge(page, 'serve-7b');
      await page.mouse.move(x + pixels, y, { steps: 4 });
      await expect.poll(() => page.locator('.ghost span').textContent()).toMatch(/^[+−]\d/);
      const hidden = await page.evaluate(() => {
        const label = document.querySelector('.ghost span')?.getBoundingClientRect();
        if (label === undefined) return ['no label'];
        const lines = [...document.querySelectorAll('.seg .nm, .seg .fig b, .seg .fig .md, .seg .chip')];
        return lines
          .filter((line) => line.checkVisibility())
          .filter((line) => {
            const box = line.getBoundingClientRect();
            // A line's box is higher than its letters: two pixels are air.
            const across = box.left < label.right && box.right > label.left;
            return across && box.top + 2 < label.bottom && box.bottom - 2 > label.top;
          })
          .map((line) => line.textContent);
      });
      expect(hidden).toEqual([]);
      await page.keyboard.press('Escape');
      await page.mouse.up();
    }
  });

  it.each([1600, 1024])('shows a name of twenty letters whole in the inspector at %d px', async (width) => {
    const page = await open({ width, height: 800 });
    await slider('finetune').click();
    await page.keyboard.press('F2');
    await page.keyboard.type('nightly-finetune-7b');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('.ins-head h2').textContent()).toBe('nightly-finetune-7b');
    const cut = await page
      .locator('.ins-head h2')
      .evaluate((element) => element.scrollWidth > element.clientWidth);
    expect(cut).toBe(false);
  });

  it('opens with the host and the range of the last time', async () => {
    const page = await open();
    await page.getByRole('button', { name: '1h', exact: true }).click();
    await page.keyboard.press('Control+2');
    await expect.poll(() => page.locator('h1').textContent()).toBe('ada');
    await page.reload();
    await expect.poll(() => page.locator('h1').textContent()).toBe('ada');
    expect(await page.getByRole('button', { name: '1h', exact: true }).getAttribute('aria-pressed')).toBe(
      'true',
    );
  });

  it('fits 1024 × 700 without scrolling sideways', async () => {
    const page = await open({ width: 1024, height: 700, scene: 'crowd' });
    const wide = await page.evaluate(() =>
      ['.app', '.centre', '.gpus', '.inspector', '.hosts', '.dock .scroll'].filter((name) => {
        const element = document.querySelector(name);
        return element !== null && element.scrollWidth > element.clientWidth + 1;
      }),
    );
    expect(wide).toEqual([]);
  });
});

/** Runs in the page: texts whose colour is too close to the opaque colour behind them. */
function faintTexts(): string[] {
  const MIN_RATIO = 4.5;
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  if (context === null) return ['no canvas'];
  const rgba = (colour: string): Uint8ClampedArray => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return context.getImageData(0, 0, 1, 1).data;
  };
  const luminance = (colour: Uint8ClampedArray): number =>
    [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
      const c = (colour[i] ?? 0) / 255;
      return sum + weight * (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    }, 0);
  const paper = (element: Element): Uint8ClampedArray => {
    for (let at: Element | null = element; at !== null; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if ((colour[3] ?? 0) > 240) return colour;
    }
    return rgba('white');
  };
  const found: string[] = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement;
    const text = node.textContent?.trim() ?? '';
    if (element === null || text === '' || !element.checkVisibility()) continue;
    const ink = luminance(rgba(getComputedStyle(element).color));
    const ground = luminance(paper(element));
    const ratio = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
    if (ratio < MIN_RATIO) found.push(`${ratio.toFixed(2)} “${text.slice(0, 40)}”`);
  }
  return found;
}
