// Values that would like to be more than text, and what the page's policy refuses.

import assert from 'node:assert/strict';
import { VIEWS, open, recordAt, row } from './look.mjs';
import { HOSTILE, HOSTILE_GROUP } from './world.mjs';

// Names that pages find their way by; everything else that is text may be anything.
const NEEDED = new Set(['$ref', 'type', 'in', 'next', 'openapi', 'stage']);
const isNumber = (text) => /^\d+$/.test(text);

// The same answer with markup in every text, and in the names of settings.
function spoiled(value, name = '') {
  if (typeof value === 'string') return NEEDED.has(name) || isNumber(value) ? value : `${value}${HOSTILE}`;
  if (Array.isArray(value)) return value.map((one) => spoiled(one, name));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [name === 'configs' ? `${key}${HOSTILE}` : key, spoiled(one, key)]));
}

const PROBLEM = { title: HOSTILE, detail: HOSTILE, code: HOSTILE, request_id: HOSTILE, status: 500, retry: false, may_have_happened: true };

// What a page has made of texts: markup would be elements, and a link would lead elsewhere.
const made = (page) => page.evaluate(() => ({
  elements: [...document.querySelectorAll('main img, main script, main iframe, main svg:not(.spark, .tide svg), dialog img, dialog script, dialog svg')].map((one) => one.outerHTML),
  links: [...document.querySelectorAll('a')].map((one) => one.href).filter((link) => !link.startsWith(`${location.origin}/`)),
  handlers: [...document.querySelectorAll('*')].flatMap((one) => one.getAttributeNames()).filter((name) => name.startsWith('on')),
  broken: window.broken,
}));
const NOTHING = { elements: [], links: [], handlers: [], broken: undefined };

export const hostile = {
  async 'what is hostile is text and nothing else'({ page, server, picture }) {
    const at = await page('/#/topics/hostile/records?from=earliest');
    await recordAt(at, '0:4').waitFor();
    for (const summary of await at.locator('.record summary').all()) await summary.click();
    const first = at.locator('.record').first();
    assert.equal(await first.locator('summary .text').innerText(), HOSTILE);
    assert.equal(await first.locator('.inside pre').innerText(), HOSTILE);
    assert.equal(await first.locator('.inside dt bdi').innerText(), HOSTILE);
    assert.match(await recordAt(at, '0:2').locator('summary .text').innerText(), /⟨U\+202E⟩ round␇, and a␊second line/);
    await picture(at, 'hostile');
    await at.goto(`${server.url}/#/groups`);
    await row(at, HOSTILE_GROUP).waitFor();
    await row(at, HOSTILE_GROUP).getByRole('link').click();
    await at.locator('h1', { hasText: HOSTILE_GROUP }).waitFor();
    await row(at, 'hostile').first().waitFor();
    await at.goto(`${server.url}/#/topics/${encodeURIComponent(HOSTILE)}`);
    await at.locator('.problem').waitFor();
    assert.match(await at.locator('.problem').innerText(), /topic/);
    assert.deepEqual(await made(at), NOTHING);
  },

  // Topics and settings cannot hold such things today, which is the server's promise and not the page's.
  async 'whatever an answer holds is text: names, settings, addresses, problems'({ page, server, picture }) {
    const at = await page('/docs');
    await at.route(/\/(v1\/.*|openapi\.json)$/, async (route) => {
      // Names that the page has been told are asked for by those that the server knows.
      const answer = await route.fetch({ url: route.request().url().replaceAll(encodeURIComponent(HOSTILE), '') });
      await route.fulfill({ response: answer, json: spoiled(await answer.json()) });
    });
    for (const [name, view] of Object.entries(VIEWS)) {
      if (name === 'records') continue;
      await open(at, server, view);
      assert.ok((await at.locator('main').innerText()).includes(HOSTILE), `${name}: shown as text`);
      assert.deepEqual(await made(at), NOTHING, name);
      if (name === 'settings') await picture(at, 'hostile-settings');
    }
    await open(at, server, VIEWS.topic);
    await at.getByRole('button', { name: 'Append a record' }).click();
    assert.ok((await at.locator('dialog h2').innerText()).includes(HOSTILE));
    assert.ok((await at.title()).startsWith('orders'), 'as the address says');
    await at.unrouteAll({ behavior: 'wait' });
    at.expectsErrors = true;
    await at.route(/\/v1\/topics/, (route) => route.fulfill({ status: 500, contentType: 'application/problem+json', body: JSON.stringify(PROBLEM) }));
    await open(at, server, ['/#/topics', '.problem']);
    assert.equal((await at.locator('.problem').innerText()).split(HOSTILE).length - 1, 4, 'title, detail, code and request');
    assert.deepEqual(await made(at), NOTHING);
    await at.unrouteAll({ behavior: 'wait' });
  },

  async 'the page refuses script and markup that others put into it'({ page }) {
    const at = await page();
    at.expectsErrors = true;
    const found = await at.evaluate(async () => {
      const refused = [];
      // Not told to the test, which would fail by it.
      document.addEventListener('securitypolicyviolation', (event) => { refused.push(event.effectiveDirective); event.stopImmediatePropagation(); }, true);
      window.violated = () => {};
      const script = document.createElement('script');
      script.append('window.broken = 1');
      try { document.body.append(script); } catch { refused.push('append'); }
      try { document.body.insertAdjacentHTML('beforeend', '<i>x</i>'); } catch { refused.push('markup'); }
      const other = await fetch('http://127.0.0.2:1/').catch(() => 'refused');
      await new Promise((resolve) => { setTimeout(resolve, 200); });
      return { refused, other, broken: window.broken };
    }).catch((error) => ({ error: error.message }));
    assert.equal(found.broken, undefined);
    assert.ok(found.refused.includes('markup'), JSON.stringify(found));
    assert.ok(found.refused.some((directive) => directive.startsWith('script-src') || directive === 'require-trusted-types-for'), JSON.stringify(found));
    assert.ok(found.refused.includes('connect-src'), JSON.stringify(found));
  },
};
