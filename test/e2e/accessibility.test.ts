/** Every screen, as axe sees it; and every flow by keys alone, as a reader hears it. */
import AxeBuilder from '@axe-core/playwright';
import { describe, expect, it } from 'vitest';
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
      await page.mouse.up();
      const found = violations.flatMap(({ id, nodes }) =>
        nodes.map(
          (node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary?.split('\n').at(1) ?? ''}`,
        ),
      );
      expect(found).toEqual([]);
    },
  );
});
