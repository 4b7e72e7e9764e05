// Every view, in every form: light and dark, narrow, by keyboard and screen reader.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { VIEWS, open, row } from './look.mjs';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const views = {
  async 'light and dark follow the system, and the switch wins and is kept'({ page, picture }) {
    const paper = (at) => at.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const [light, dark] = [await page('/#/topics', { colorScheme: 'light' }), await page('/#/topics', { colorScheme: 'dark' })];
    const [white, black] = [await paper(light), await paper(dark)];
    assert.notEqual(white, black);
    await row(dark, 'orders').waitFor();
    await picture(dark, 'topics-dark');
    const button = light.getByRole('button', { name: /^Theme/ });
    await button.click();
    await button.click();
    assert.equal(await paper(light), black, 'auto, light, dark');
    await light.reload();
    assert.equal(await paper(light), black, 'as it was chosen');
  },

  async 'everything is reached in a narrow window, and nothing sticks out'({ page, server, picture }) {
    const at = await page('/', { viewport: { width: 360, height: 740 }, isMobile: true });
    for (const [name, view] of Object.entries(VIEWS)) {
      await open(at, server, view);
      const width = await at.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 360, `${name} is ${width} wide`);
      await picture(at, `narrow-${name}`);
    }
  },

  async 'nothing stands in the way of a screen reader or of the keyboard'({ page, server }) {
    for (const colorScheme of ['light', 'dark']) {
      const at = await page('/', { colorScheme });
      for (const [name, view] of Object.entries(VIEWS)) {
        await open(at, server, view);
        await at.evaluate(AXE);
        // What is not a matter of colours is the same in the dark.
        const which = colorScheme === 'dark' ? { runOnly: ['color-contrast'] } : {};
        const found = await at.evaluate((only) => window.axe.run(document, { resultTypes: ['violations'], ...only }), which);
        const told = found.violations.map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => `${node.target} ${node.any[0]?.message ?? ''}`).join(' | ')}`);
        assert.deepEqual(told, [], `${name}, ${colorScheme}`);
        assert.ok(found.passes.length > (colorScheme === 'dark' ? 0 : 10));
      }
    }
  },
};
