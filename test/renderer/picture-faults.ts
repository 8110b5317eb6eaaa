/** What a script can see of a screen that an eye would find fault with. Runs in the page, so it uses nothing from outside. */
import type { Page } from 'playwright-core';

/** One sentence for each fault of what is drawn right now. */
export const pictureFaults = (page: Page): Promise<readonly string[]> =>
  page.evaluate(() => {
    const SLACK_PX = 1.5;
    const faults: string[] = [];
    const box = (element: Element): DOMRect => element.getBoundingClientRect();
    const called = (element: Element): string =>
      `${element.tagName.toLowerCase()}${[...element.classList].map((name) => `.${name}`).join('')}`;
    const saying = (text: string): string => `“${text.trim().replace(/\s+/g, ' ').slice(0, 50)}”`;
    const isUnseen = (element: Element): boolean => element.closest('.unseen, [hidden]') !== null;

    interface Written {
      readonly element: Element;
      readonly text: string;
      readonly rects: readonly DOMRect[];
    }
    const written: Written[] = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const element = node.parentElement;
      const text = node.textContent ?? '';
      if (element === null || text.trim() === '' || isUnseen(element)) continue;
      if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      const rects = [...range.getClientRects()].filter(({ width, height }) => width > 0 && height > 0);
      if (rects.length > 0) written.push({ element, text, rects });
    }

    /** What hides what hangs over it; null: nothing does. A thing that scrolls hides nothing for good. */
    const frameOf = (element: Element): { readonly at: Element; readonly scrolls: boolean } | null => {
      for (let at: Element | null = element; at !== null && at !== document.body; at = at.parentElement) {
        const { overflowX, overflowY } = getComputedStyle(at);
        if (overflowX !== 'visible' || overflowY !== 'visible')
          return { at, scrolls: /auto|scroll/.test(`${overflowX} ${overflowY}`) };
      }
      return null;
    };

    /** A sheet is open above it: nobody can point at it. */
    const isUnder = (element: Element): boolean => {
      const sheet = [...document.querySelectorAll('dialog[open]')].at(-1);
      return sheet !== undefined && !sheet.contains(element);
    };

    // 1. Text that is cut off, and nothing tells the rest to whoever points at it.
    const told = (element: Element, text: string, rect: DOMRect): boolean => {
      const hit = document.elementFromPoint(rect.left + 2, (rect.top + rect.bottom) / 2);
      // Something else lies there: a sheet, a menu, what it was scrolled under.
      if (hit === null || element.parentElement?.contains(hit) !== true) return true;
      hit.dispatchEvent(new PointerEvent('pointerover', { bubbles: true }));
      return (
        element.closest('[title]') !== null ||
        (hit.closest('[title]')?.getAttribute('title') ?? '').includes(text.trim())
      );
    };
    for (const { element, text, rects } of written) {
      const frame = frameOf(element);
      const [first] = rects;
      if (frame === null || frame.scrolls || first === undefined || isUnder(element)) continue;
      const outer = box(frame.at);
      const last = Math.max(...rects.map(({ right }) => right));
      const low = Math.max(...rects.map(({ bottom }) => bottom));
      const across = last > outer.right + SLACK_PX;
      if ((across || low > outer.bottom + 3) && outer.width > 0 && !told(element, text, first))
        faults.push(
          `cut off ${across ? 'at the right' : 'below'}, untold: ${saying(text)} in ${called(frame.at)}`,
        );
    }

    // 2. Text over text.
    /** What is left of it within all that hides it. */
    const inFrames = (element: Element, rect: DOMRect): DOMRect => {
      let { left, top, right, bottom } = rect;
      for (let frame = frameOf(element); frame !== null;) {
        const outer = box(frame.at);
        [left, right] = [Math.max(left, outer.left), Math.min(right, outer.right)];
        [top, bottom] = [Math.max(top, outer.top), Math.min(bottom, outer.bottom)];
        const up: Element | null = frame.at.parentElement;
        frame = up === null ? null : frameOf(up);
      }
      return new DOMRect(left, top, Math.max(0, right - left), Math.max(0, bottom - top));
    };
    const shown = written.flatMap(({ element, text, rects }) =>
      rects
        .map((rect) => inFrames(element, rect))
        .filter((rect) => {
          if (rect.width < 2 || rect.height < 2) return false;
          // Nothing there can be hit; it is seen all the same.
          if (getComputedStyle(element).pointerEvents === 'none') return !isUnder(element);
          const hit = document.elementFromPoint((rect.left + rect.right) / 2, (rect.top + rect.bottom) / 2);
          return hit !== null && (hit === element || hit.contains(element) || element.contains(hit));
        })
        .map((rect) => ({ element, text, rect })),
    );
    const floating = (element: Element): Element | null =>
      element.closest('dialog, [role=menu], .toast, .tip, .ghost, .drop-ghost, .is-acts');
    shown.sort((a, b) => a.rect.top - b.rect.top);
    shown.forEach((one, index) => {
      for (const other of shown.slice(index + 1)) {
        if (other.rect.top > one.rect.bottom) break;
        const across = Math.min(one.rect.right, other.rect.right) - Math.max(one.rect.left, other.rect.left);
        const down = Math.min(one.rect.bottom, other.rect.bottom) - Math.max(one.rect.top, other.rect.top);
        // What floats may lie over all else.
        if (floating(one.element) !== floating(other.element)) continue;
        // Line boxes touch where letters do not.
        if (across > 2 && down > 5 && one.element !== other.element)
          faults.push(`${saying(one.text)} lies over ${saying(other.text)}`);
      }
    });

    // 3. What is wider than the place it has.
    if (document.documentElement.scrollWidth > innerWidth) faults.push('the page scrolls sideways');
    for (const element of document.querySelectorAll(
      'main, aside, dialog, .inspector, .dock, .virtual, .sheet form',
    ))
      if (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX !== 'visible')
        faults.push(`${called(element)} is ${String(element.scrollWidth - element.clientWidth)} px too wide`);

    // 4. What floats has to lie in the window.
    for (const element of document.querySelectorAll(
      'dialog[open], [role=menu], .toast, .tip.is-on, .palette',
    )) {
      const { left, top, right, bottom } = box(element);
      if (left < -1 || top < -1 || right > innerWidth + 1 || bottom > innerHeight + 1)
        faults.push(`${called(element)} hangs over the edge of the window`);
    }

    // 5. Figures that would dance when they change.
    for (const { element, text } of written) {
      const { fontVariantNumeric, fontFamily } = getComputedStyle(element);
      const isEven = fontVariantNumeric.includes('tabular-nums') || fontFamily.includes('mono');
      // Names of keys never change.
      if (/\d/.test(text) && !isEven && element.closest('kbd') === null)
        faults.push(`figures not of one width: ${saying(text)} in ${called(element)}`);
    }

    // 6. Controls that are too small to be hit, and those that lie on others.
    for (const element of document.querySelectorAll(
      'button, [role=button], select, input:not([type=radio], [type=checkbox])',
    )) {
      const { width, height } = box(element);
      if (width === 0 || height === 0 || isUnseen(element) || !element.checkVisibility()) continue;
      if (height < 14 || width < 12)
        faults.push(
          `${String(Math.round(width))}×${String(Math.round(height))} px is too small to be hit: ${called(element)}`,
        );
    }

    // 7. Tabs that stand in two lines, or whose words do.
    for (const list of document.querySelectorAll('[role=tablist]')) {
      const tabs = [...list.querySelectorAll('[role=tab]')].filter((tab) => tab.checkVisibility());
      const tops = tabs.map((tab) => Math.round(box(tab).top));
      const isFolded = tabs.some((tab) => {
        const lines = written.filter(({ element }) => tab.contains(element)).flatMap(({ rects }) => rects);
        return lines.some((one) => lines.some((other) => other.top > one.bottom - 2));
      });
      if (isFolded || Math.max(...tops) - Math.min(...tops) > 2)
        faults.push(`tabs wrap: ${saying(tabs.map((tab) => tab.textContent).join(' '))}`);
    }

    // 8. A column that is cut while others beside it have room for nothing.
    const LOSS_PX = 8;
    const KEPT_PX = 16;
    /** Of a command or a place so much is enough to know it by. */
    const READABLE_PX = 200;
    const innerWidth1 = (cell: Element): number => {
      const range = document.createRange();
      range.selectNodeContents(cell);
      return Math.max(cell.scrollWidth - cell.clientWidth, 0) + range.getBoundingClientRect().width;
    };
    for (const table of document.querySelectorAll('[role=grid]')) {
      if (isUnder(table)) continue;
      const rows = [...table.querySelectorAll('[role=row]')].map((row) => [...row.children]);
      const [head = []] = rows;
      const columns = head.map((heading, at) => {
        const cells = rows.map((row) => row[at]).filter((cell) => cell !== undefined);
        const needs = cells.map((cell) => {
          const cut = [cell, ...cell.querySelectorAll('*')].map((one) => one.scrollWidth - one.clientWidth);
          const isCut = getComputedStyle(cell).textOverflow === 'ellipsis' || cell.classList.contains('cut');
          return isCut ? innerWidth1(cell) + Math.max(0, ...cut.slice(1)) : innerWidth1(cell);
        });
        return {
          name: heading.textContent ?? '',
          has: box(heading).width,
          needs: Math.max(0, ...needs),
          isCut: cells.some((cell) => cell.scrollWidth > cell.clientWidth + 1),
        };
      });
      const spare = columns.reduce((sum, one) => sum + Math.max(0, one.has - one.needs - 2 * KEPT_PX), 0);
      for (const { name, has, needs, isCut } of columns)
        if (isCut && needs - has > LOSS_PX && (spare > needs - has || (spare > 60 && has < READABLE_PX)))
          faults.push(
            `column ${saying(name)} is cut by ${String(Math.round(needs - has))} px while others have ${String(Math.round(spare))} px to spare`,
          );
      // A column in which nobody has anything takes the place of one that says something.
      rows[0]?.forEach((heading, at) => {
        const cells = rows.slice(1).map((row) => (row[at]?.textContent ?? '').trim());
        const isFigures = heading.classList.contains('num') && heading.querySelector('button') !== null;
        const anyCut = columns.some(({ isCut }) => isCut);
        if (anyCut && isFigures && cells.length > 1 && cells.every((text) => /^(0(\.0)?|)$/.test(text)))
          faults.push(
            `column ${saying(heading.textContent ?? '')} has nothing but zeros beside one that is cut`,
          );
      });
    }

    // 9. A line of a bar through what is written on it.
    interface Upright {
      readonly x: number;
      readonly top: number;
      readonly bottom: number;
    }
    const isClear = (colour: string): boolean => /, 0\)$|transparent/.test(colour);
    /** Upright lines of a part: its borders, and thin things of its own that are drawn before and after it. */
    const linesOf = (part: Element): readonly Upright[] =>
      [...part.querySelectorAll('.use, .pending')].flatMap((line) => {
        const { left, right, top, bottom } = box(line);
        const own = getComputedStyle(line);
        const found: Upright[] = [];
        if (Number.parseFloat(own.borderRightWidth) > 0 && !isClear(own.borderRightColor))
          found.push({ x: right, top, bottom });
        if (Number.parseFloat(own.borderLeftWidth) > 0 && !isClear(own.borderLeftColor))
          found.push({ x: left, top, bottom });
        for (const which of ['::before', '::after']) {
          const drawn = getComputedStyle(line, which);
          const width = Number.parseFloat(drawn.width);
          if (drawn.content === 'none' || !(width > 0 && width < 5) || isClear(drawn.backgroundColor))
            continue;
          const x = right - Number.parseFloat(drawn.right) - width / 2;
          found.push({
            x,
            top: top + Number.parseFloat(drawn.top),
            bottom: bottom - Number.parseFloat(drawn.bottom),
          });
        }
        return found;
      });
    for (const part of document.querySelectorAll('.seg')) {
      if (isUnder(part)) continue;
      const lines = linesOf(part);
      for (const { element, text, rects } of written) {
        if (!part.contains(element)) continue;
        const clip = box(part);
        for (const rect of rects)
          for (const { x, top, bottom } of lines)
            if (
              x > rect.left + 1 &&
              x < Math.min(rect.right, clip.right) - 1 &&
              Math.min(bottom, rect.bottom) - Math.max(top, rect.top) > 3
            )
              faults.push(
                `a line goes through ${saying(text)} of ${saying(part.getAttribute('aria-label') ?? '')}`,
              );
      }
    }

    // 10. The line of the host, and short names on the bar, are read whole.
    const HOST_LETTERS = 24;
    for (const element of document.querySelectorAll('.host-head .cut'))
      if (
        !isUnder(element) &&
        (element.closest('h1')?.textContent ?? '').length <= HOST_LETTERS &&
        (document.querySelector('.host-head h1')?.textContent ?? '').length <= HOST_LETTERS &&
        element.scrollWidth > element.clientWidth + 1
      )
        faults.push(`the head is cut: ${saying(element.textContent ?? '')}`);
    const NAME_LETTERS = 6;
    const NAME_ROOM_PX = 58;
    for (const element of document.querySelectorAll('.seg .nm')) {
      const name = (element.textContent ?? '').trim();
      const bar = element.closest('.seg');
      if (bar === null || name.length > NAME_LETTERS || box(bar).width < NAME_ROOM_PX || isUnder(element))
        continue;
      if (element.scrollWidth > element.clientWidth + 1)
        faults.push(`the name ${saying(name)} is cut on its slice`);
    }
    return [...new Set(faults)];
  });
