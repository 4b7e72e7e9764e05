// More topics and groups than fit on a page.

import assert from 'node:assert/strict';
import { row, until } from './look.mjs';
import { crowd, many } from './world.mjs';

// What `selector` tells, from look to look of the page, as long as it has `words` in it. The pauses between looks, which are
// the longer the slower the machine is, are skipped.
async function lookOn(page, selector, words) {
  const all = [];
  for (;;) {
    const now = await page.waitForFunction(([where, last]) => {
      const text = document.querySelector(where)?.innerText ?? '';
      return text !== last && (text || last) ? { text } : null;
    }, [selector, all.at(-1) ?? '']).then((found) => found.jsonValue());
    if (!now.text.includes(words)) return all;
    all.push(now.text);
    await page.clock.fastForward(120_000);
  }
}

export const crowds = {
  // Nobody is overlooked because of a name, no look asks for more than its part, and what is not known yet is said.
  async 'hundreds of groups are looked at in turn'({ page, server, picture }) {
    const [all, readers] = [450, 225];
    await server.create('crowded', 1);
    await server.append('crowded', Array.from({ length: 1000 }, (_, index) => ({ value: `${index}` })));
    // The one that is furthest behind is the last by name.
    await crowd(server, all, (index) => (index % 2 ? ['crowded', index === all - 1 ? 0 : 1000 - (index % 100)] : ['payments', 1]));
    const at = await page();
    await at.clock.install();
    let [asked, most] = [0, 0];
    at.on('request', (request) => {
      if (/\/v1\/topics\/crowded\?/.test(request.url())) asked = 0;
      if (request.url().includes('/offsets?')) most = Math.max(most, asked += 1);
    });
    await at.goto(`${server.url}/#/topics/crowded`);
    const told = await lookOn(at, 'main [role=status]', 'so far');
    assert.match(told[0], /^200 of 4\d\d groups looked at so far\.$/);
    assert.ok(told.length >= 2, `in ${told.length} parts`);
    assert.ok(most >= 100 && most <= 200, `${most} groups at a time`);
    await at.locator('.legend a', { hasText: `${readers - 6} more groups` }).click();
    await at.getByRole('button', { name: 'Lag' }).click();
    await row(at, 'crowd-0449').waitFor();
    assert.equal(await at.locator('tbody tr th').first().innerText(), 'crowd-0449');
    assert.match(await at.locator('.pager').innerText(), /1–50 of 225/);
    await picture(at, 'many-readers');
    await at.goto(`${server.url}/#/groups?sort=-lag`);
    const parts = await lookOn(at, '.bar [role=status]', 'so far');
    assert.match(parts[0], /^4\d\d groups, the lag of 200 known so far$/);
    assert.ok(parts.length >= 2, `in ${parts.length} parts`);
    assert.equal(await at.locator('tbody tr th').first().innerText(), 'crowd-0449');
    await picture(at, 'many-groups');
  },

  async 'thousands of topics stay usable'({ page, server, picture }) {
    await many(server, 5000);
    const at = await page();
    await until(at, () => /^5,0\d\d topics/.test(document.querySelector('.bar [role=status]').innerText));
    assert.equal(await at.locator('tbody tr').count(), 50);
    // What is shown is looked at, and no more. How often depends on how busy the machine is.
    const sizes = [];
    at.on('response', async (response) => {
      if (response.url().includes('/v1/topics?')) sizes.push((await response.body().catch(() => '')).length);
    });
    const late = Date.now() + 60_000;
    while (sizes.filter((bytes) => bytes < 20_000).length < 2 && Date.now() < late) await at.waitForTimeout(200);
    assert.ok(sizes.length >= 2 && sizes.filter((bytes) => bytes >= 20_000).length <= 1, `bytes of lists of topics: ${sizes}`);
    await at.getByLabel('Search topics by name').fill('many-04321');
    await until(at, () => document.querySelectorAll('tbody tr').length === 1);
    await at.getByLabel('Search topics by name').fill('');
    await at.getByRole('button', { name: 'Next page' }).click();
    await until(at, () => /^51–100 of 5,0/.test(document.querySelector('.pager span').innerText));
    // The best of some: now and then somebody else has the processor.
    const took = await at.evaluate(() => Math.min(...[1, 2, 3, 4, 5].map(() => {
      const began = performance.now();
      document.querySelector('[aria-sort] button').click();
      return performance.now() - began;
    })));
    assert.ok(took < 500, `sorting and drawing took ${took} ms`);
    await picture(at, 'many-topics');
  },
};
