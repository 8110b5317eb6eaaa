/** Terminals in the window: opened by keyboard, typed into, lost and back, closed; and what villains write into them. */
import AxeBuilder from '@axe-core/playwright';
import type { Locator } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';
import type { CoreEvent } from '../../model/ipc.ts';
import type { FakeLab } from '../fakes/api.ts';

const HOST = 'ssh:hopper';
type LabCall =
  | readonly ['breakLink' | 'mendLink', string]
  | readonly ['deleteSlice', string, string]
  | readonly ['add', string, string, string]
  | readonly ['say', string, string]
  | readonly ['push', CoreEvent]
  | readonly ['exit', string, number | null, number | null];

describe.skipIf(cannotRun)('terminal', () => {
  const fake = useFakePage();
  const panel = (): Locator => fake.page.locator('.terminals');
  const tabs = (): Locator => panel().getByRole('tab');
  const note = (): Locator => fake.page.locator('.terminal-note');
  /** What the screen shows. */
  const text = async (): Promise<string> => {
    const lines = await fake.page.locator('.terminal-place .xterm-rows > div').allTextContents();
    return lines.map((line) => line.replaceAll('\u00a0', ' ').trimEnd()).join('\n');
  };
  const sees = (wanted: RegExp): Promise<void> => expect.poll(text).toMatch(wanted);
  const press = (keys: string): Promise<void> => fake.page.keyboard.press(keys);
  const type = async (line: string): Promise<void> => {
    await fake.page.keyboard.type(line);
    await press('Enter');
  };
  /** With the keyboard alone. */
  const openOne = async (): Promise<void> => {
    await fake.slider('resnet-sweep').click();
    await press('Control+`');
    await sees(/mira@hopper:~\$/);
  };
  const hasKeyboard = (): Promise<boolean> =>
    fake.page.evaluate(() => document.activeElement?.closest('.terminal-screen') != null);
  const lab = (...call: LabCall): Promise<unknown> =>
    fake.page.evaluate((given) => {
      const { __trancheFake: it } = window as unknown as { __trancheFake: FakeLab };
      switch (given[0]) {
        case 'breakLink':
        case 'mendLink':
          return it[given[0]](given[1]);
        case 'deleteSlice':
          return it.deleteSlice(given[1], given[2]);
        case 'add':
          return it.terminals.add(given[1], given[2], given[3]);
        case 'push':
          return it.push(given[1]);
        case 'say':
          return it.terminals.say(given[1], given[2]);
        case 'exit':
          return it.terminals.exit(given[1], given[2], given[3]);
      }
    }, call);
  const idOfShown = async (): Promise<string> =>
    ((await fake.calls('terminal:attach')) as { terminalId: string }[]).at(-1)?.terminalId ?? '';

  it('is opened, typed into, resized and left by keyboard', async () => {
    await fake.open();
    await openOne();
    await expect.poll(hasKeyboard).toBe(true);
    // Letters and keys that are commands elsewhere are the shell's.
    await type('echo n g ? / hello');
    await sees(/^n g \? \/ hello$/m);
    await press('Control+k');
    await press('F5');
    await press('Control+Shift+p'); // which means nothing to a shell either
    await press('Control+Shift+o');
    expect(await fake.page.locator('dialog[open], .palette').count()).toBe(0);
    await press('Control+c');
    await type('stty size');
    await sees(/^\d+ \d{2,3}$/m);
    const sizes = async (): Promise<number[]> =>
      [...(await text()).matchAll(/^\d+ (\d+)$/gm)].map(([, columns]) => Number(columns));
    const [before = 0] = await sizes();
    const asked = (await fake.calls('terminal:resize')).length;
    await fake.page.setViewportSize({ width: 1300, height: 1000 });
    await expect.poll(async () => (await fake.calls('terminal:resize')).length).toBeGreaterThan(asked);
    await type('stty size');
    await expect.poll(async () => (await sizes()).at(-1)).toBeLessThan(before);
    await press('Control+`');
    expect(await hasKeyboard()).toBe(false);
    await press('Control+`');
    await expect.poll(hasKeyboard).toBe(true);
  });

  it('is opened in the selected slice by the key alone, once, and has the keyboard', async () => {
    await fake.open();
    await fake.slider('nb-wei').click();
    await press('Control+`');
    await press('Control+`');
    await sees(/mira@hopper:~\$/);
    await expect.poll(hasKeyboard).toBe(true);
    expect(await fake.calls('terminal:open')).toMatchObject([{ sliceId: 's-GPU-hopper-0-nb-wei' }]);
    // There is one: the key leads into it, whatever is selected.
    await press('Control+`');
    await fake.slider('embed').click();
    await press('Control+`');
    await expect.poll(hasKeyboard).toBe(true);
    expect(await fake.calls('terminal:open')).toHaveLength(1);
  });

  it('is asked for a slice where none is selected, with the keyboard in the answer', async () => {
    await fake.open();
    await press('Control+`');
    const picker = fake.page.getByRole('dialog', { name: 'Open a terminal in' });
    await picker.waitFor();
    await fake.page.keyboard.type('finetune');
    await press('Enter');
    await expect.poll(hasKeyboard).toBe(true);
    expect(await fake.calls('terminal:open')).toMatchObject([{ sliceId: 's-GPU-hopper-2-finetune' }]);
  });

  it('takes no letter for a command while it is open below, wherever the focus is', async () => {
    await fake.open();
    await fake.slider('finetune').click();
    await fake.page.getByRole('tab', { name: /^Terminal/ }).click();
    const rest = async (): Promise<string> =>
      JSON.stringify(
        await Promise.all([
          fake.page.locator('dialog[open]').count(),
          fake.page.locator('h1').textContent(),
          fake.page.getByText('Paused').count(),
          fake.calls('slice:delete'),
          fake.calls('job:start'),
        ]),
      );
    const before = await rest();
    for (const place of ['.dock button[role=tab][aria-selected=true]', '[role=slider]', 'body']) {
      await fake.page
        .locator(place)
        .first()
        .evaluate((one) => {
          if (one === document.body) (document.activeElement as HTMLElement | null)?.blur();
          else (one as HTMLElement).focus();
        });
      for (const key of ['h', 'r', 'n', 'g', 'm', 'x', 'u', '?', '/', '[', '0', 'Delete']) await press(key);
      expect(await rest(), place).toBe(before);
    }
    await expect.poll(() => fake.toast().textContent()).toContain('Ctrl ` leads into it');
    await fake.page.getByRole('tab', { name: /^Jobs/ }).click();
    await press('r');
    await fake.page.getByRole('dialog', { name: /^Run in a slice/ }).waitFor();
  });

  it.each([true, false])('is clean for axe (dark %s), and says how it is left', async (dark) => {
    await fake.open({ dark });
    await openOne();
    await type('colours');
    await sees(/colour 15/);
    const found = await new AxeBuilder({ page: fake.page }).include('.dock').analyze();
    expect(found.violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)])).toEqual([]);
    const label = await fake.page.locator('.terminal-screen textarea').getAttribute('aria-label');
    expect(label).toMatch(/^Terminal in .+\. Ctrl ` leaves it$/);
  });

  it('goes on from the byte that it has when the link is back, and says meanwhile that the shell goes on', async () => {
    await fake.open();
    await openOne();
    await type('count 60');
    await sees(/^n5$/m);
    await lab('breakLink', HOST);
    await expect.poll(() => note().textContent()).toMatch(/Link to hopper lost, the shell goes on/);
    expect(await fake.page.locator('.terminal-place.old').count()).toBe(1);
    const typed = (await fake.calls('terminal:input')).length;
    await fake.page.keyboard.type('into nothing');
    await lab('mendLink', HOST);
    await sees(/^n60$/m);
    await expect.poll(() => note().count()).toBe(0);
    expect((await fake.calls('terminal:input')).length).toBe(typed);
    const asked = (await fake.calls('terminal:attach')) as { offset: number | null }[];
    expect(asked.map(({ offset }) => offset === null)).toEqual([true, false]);
    // Every line once, on the screen and above it.
    const numbers = new Set<number>();
    for (let pages = 0; pages < 20 && !numbers.has(1); pages += 1) {
      const before = await text();
      const shown = [...before.matchAll(/^n(\d+)$/gm)].map(([, n]) => Number(n));
      expect(shown).toEqual(shown.map((_, at) => (shown[0] ?? 0) + at));
      for (const one of shown) numbers.add(one);
      await press('Shift+PageUp');
      if (!numbers.has(1)) await expect.poll(text).not.toBe(before);
    }
    expect(numbers.size).toBe(60);
  });

  it('is there again after a restart of the window, and ends as its shell does', async () => {
    await fake.open();
    await fake.page.getByRole('tab', { name: 'Processes' }).waitFor();
    const sliceId = await fake.page.locator('[role=slider]').first().getAttribute('data-slice');
    const first = (await lab('add', HOST, sliceId ?? '', 'from before\r\n')) as string;
    await lab('add', HOST, sliceId ?? '', 'second\r\n');
    await fake.page.getByRole('tab', { name: /^Terminal/ }).click();
    await sees(/second/);
    expect(await tabs().count()).toBe(2);
    await tabs().first().click();
    await sees(/from before/);
    await tabs().first().press('ArrowRight');
    await sees(/second/);
    await tabs().first().click();
    await lab('exit', first, 3, null);
    await expect.poll(() => note().textContent()).toMatch(/The shell ended with 3\./);
    await sees(/from before/); // its last screen stays
    await note().getByRole('button', { name: 'Close' }).click();
    await expect.poll(() => tabs().count()).toBe(1);
    // One that is left with exit goes by itself.
    await sees(/second/);
    await fake.page.locator('.terminal-place').click();
    await type('exit');
    await expect.poll(() => tabs().count()).toBe(0);
    expect(await fake.calls('terminal:close')).toHaveLength(2);
  });

  it('asks before a program that runs is ended with it', async () => {
    await fake.open();
    await openOne();
    await type('sleep');
    await panel().getByRole('button', { name: 'Close terminal' }).click();
    const dialog = fake.page.getByRole('dialog');
    await expect.poll(() => dialog.textContent()).toMatch(/sleep runs in it, and would be ended/);
    await press('Enter'); // Keep has the focus
    await expect.poll(() => dialog.count()).toBe(0);
    expect(await tabs().count()).toBe(1);
    await panel().getByRole('button', { name: 'Close terminal' }).click();
    await dialog.getByRole('button', { name: 'Close and end it' }).click();
    await expect.poll(() => tabs().count()).toBe(0);
    const closed = (await fake.calls('terminal:close')) as { ifIdle: boolean }[];
    expect(closed.map(({ ifIdle }) => ifIdle)).toEqual([true, true, false]);
  });

  it('keeps what villains write inside, and leaves the clipboard and every address alone', async () => {
    await fake.open();
    await openOne();
    let left = false;
    fake.page.on('popup', () => {
      left = true;
    });
    await type('evil');
    await sees(/true colour/);
    await sees(/<img src=x onerror=alert\(1\)> <script>/);
    expect(await fake.page.locator('.terminal-place img, .terminal-place script').count()).toBe(0);
    const title = (await tabs().first().getAttribute('title')) ?? '';
    expect(title).toContain('evil  title <b>bold</b>');
    expect(title).not.toContain('\u202e');
    const colour = fake.page.locator('.xterm-rows span', { hasText: 'true colour' });
    expect(await colour.evaluate((span) => getComputedStyle(span).color)).toMatch(/^rgb\(255, 100, 0\)$/);
    await fake.page.locator('.xterm-rows span', { hasText: 'not a link' }).first().click({ force: true });
    const copied = (): Promise<string | null> =>
      fake.page.evaluate(() => (window as unknown as { __trancheFake: FakeLab }).__trancheFake.copied);
    expect(await copied()).toBeNull();
    // It says one address and leads to another: the one that it leads to is copied and told, and nothing is opened.
    const link = fake.page.locator('.xterm-rows span', { hasText: 'https://good.example/' }).first();
    // Until the terminal knows what it points at: it asks with each move to another cell, and not again. The dock may
    // still be finding its height, so where the link lies is looked up each time.
    const pointed = async (): Promise<number> => {
      const box = await link.boundingBox();
      for (const cell of [20, 60]) await fake.page.mouse.move((box?.x ?? 0) + cell, (box?.y ?? 0) + 6);
      return fake.page.locator('.xterm-cursor-pointer').count();
    };
    await expect.poll(pointed).toBe(1);
    await fake.page.mouse.down();
    await fake.page.mouse.up();
    await expect.poll(copied).toBe('https://evil.example/');
    expect(await fake.toast().textContent()).toContain('https://evil.example/');
    expect(left).toBe(false);
    // Another host that has got hold of an id.
    const terminalId = await idOfShown();
    const forged = { hostId: 'ssh:ada', terminalId, exitCode: 1, signal: null };
    await lab('push', {
      event: 'terminal:output',
      data: { ...forged, offset: 0, data: btoa('x'.repeat(5000)) },
    });
    await lab('push', { event: 'terminal:ended', data: forged });
    await type('echo still there');
    await sees(/^still there$/m);
    expect(await text()).not.toContain('xxxx');
  });

  it('shows several lines before they are pasted, unless the shell knows of pasting', async () => {
    await fake.open();
    await openOne();
    const paste = (pasted: string): Promise<void> =>
      fake.page.locator('.terminal-screen textarea').evaluate((area, given) => {
        const data = new DataTransfer();
        data.setData('text/plain', given);
        area.dispatchEvent(
          new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }),
        );
      }, pasted);
    await paste('echo one');
    await press('Enter');
    await sees(/^one$/m);
    const dialog = fake.page.getByRole('dialog', { name: 'Paste 2 lines?' });
    await paste('echo two\necho three\n');
    await dialog.waitFor();
    expect(await dialog.locator('pre').textContent()).toBe('echo two\necho three\n');
    await press('Enter');
    await expect.poll(() => dialog.count()).toBe(0);
    expect(await text()).not.toMatch(/two/);
    await paste('echo two\necho three\n');
    await dialog.getByRole('button', { name: 'Paste 2 lines' }).click();
    await sees(/^three$/m);
    await type('bracketed');
    await sees(/bracketed\nmira@hopper/);
    // The end of the bracket inside of what is pasted would make typing of the rest.
    await paste('echo \u001b[201~four\necho five');
    await sees(/five/);
    const inputs = (await fake.calls('terminal:input')) as { data: string }[];
    expect(atob(inputs.at(-1)?.data ?? '')).toBe('\u001b[200~echo [201~four\recho five\u001b[201~');
  });

  it('says what is wrong: the slice is gone, the agent too old, nothing to open one in', async () => {
    await fake.open();
    await openOne();
    const opened = (await fake.calls('terminal:open')) as { sliceId: string }[];
    await lab('deleteSlice', HOST, opened[0]?.sliceId ?? '');
    await expect.poll(() => note().textContent()).toMatch(/Its slice was deleted/);
    await sees(/mira@hopper/);
    await fake.page.locator('[data-host="ssh:ada"]').first().click();
    await expect.poll(() => panel().textContent()).toMatch(/has no terminals/);
    await fake.page.locator('[data-host="ssh:hopper"]').first().click();
    await sees(/mira@hopper/); // its screen is where it was
    await lab('exit', await idOfShown(), null, null);
    await expect.poll(() => note().textContent()).toMatch(/nobody knows how/);
  });
});
