// What must hold, each as a test of its own.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { BIG_NUMBER, HOSTILE, HOSTILE_GROUP, join, many } from './world.mjs';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const WAIT = { timeout: 20_000 };

const row = (page, text) => page.locator('tbody tr', { hasText: text });
const cell = (page, text, column) => row(page, text).locator('th, td').nth(column);
const record = (page, text) => page.locator('.record', { hasText: text });
const until = (page, what, given) => page.waitForFunction(what, given, WAIT);

// Every page there is of the console, and something that shows that it is there.
const VIEWS = {
  topics: ['/#/topics', 'tbody tr'],
  topic: ['/#/topics/orders', '.legend'],
  records: ['/#/topics/orders/records?from=earliest', '.record'],
  readers: ['/#/topics/orders/groups', 'tbody tr'],
  settings: ['/#/topics/orders/settings', 'tbody tr'],
  groups: ['/#/groups', 'tbody tr'],
  group: ['/#/groups/reports', 'tbody tr'],
  cluster: ['/#/cluster', '.stages'],
  docs: ['/docs', '.operation'],
};

export const checks = {
  async 'topics are listed with records and sizes'({ page, picture }) {
    const at = await page();
    await row(at, 'payments').waitFor(WAIT);
    assert.equal(await cell(at, 'orders', 1).innerText(), '6');
    assert.equal(await cell(at, 'orders', 2).innerText(), '600');
    assert.match(await cell(at, 'orders', 3).innerText(), /^\d.*KiB$/);
    assert.equal(await cell(at, 'empty', 2).innerText(), '0');
    await picture(at, 'topics-at-rest');
  },

  async 'topics are searched and sorted, and the address says how'({ page }) {
    const at = await page();
    await row(at, 'payments').waitFor(WAIT);
    await at.keyboard.press('/');
    await at.keyboard.type('PAY');
    await until(at, () => document.querySelectorAll('tbody tr').length === 1);
    assert.match(at.url(), /\?q=PAY$/);
    await at.keyboard.press('Control+A');
    await at.keyboard.press('Backspace');
    await at.getByRole('button', { name: 'Records' }).click();
    assert.equal(await at.locator('tbody tr th').first().innerText(), 'orders');
    assert.equal(await at.locator('th[aria-sort="descending"]').innerText(), 'Records');
    await at.reload();
    await row(at, 'payments').waitFor(WAIT);
    assert.equal(await at.locator('tbody tr th').first().innerText(), 'orders', 'as it was before');
  },

  async 'a topic shows its partitions, who reads them, and its settings'({ page, server, picture }) {
    const told = await server.ask('/v1/topics/orders');
    const at = await page('/#/topics/orders');
    await at.locator('.legend').waitFor(WAIT);
    assert.equal(await at.locator('tbody tr').count(), 6);
    const tails = await at.locator('tbody tr').evaluateAll((rows) => rows.map((one) => Number(one.children[3].innerText)));
    assert.deepEqual(tails, told.partitions.map((one) => one.high_watermark));
    assert.match(await at.locator('.legend').innerText(), /reports\s*200 behind/);
    assert.equal(await at.locator('.held i').count(), 6, 'a place in each partition');
    await picture(at, 'topic');
    await at.getByRole('link', { name: 'Groups' }).last().click();
    await row(at, 'reports').waitFor(WAIT);
    assert.equal(await cell(at, 'reports', 2).innerText(), '200');
    await at.getByRole('link', { name: 'Settings' }).click();
    await row(at, 'retention.ms').first().waitFor(WAIT);
    // What was set comes first.
    assert.equal((await row(at, 'retention.ms').first().innerText()).replaceAll(/\s+/g, ' ').trim(), 'retention.ms 259200000 3 d 0 h set for this topic');
    await picture(at, 'settings');
  },

  async 'a group shows members, offsets and lag as they change'({ page, server, picture }) {
    const member = await join(server, 'billing', 'orders');
    await member.until(600);
    const at = await page('/#/groups/billing');
    await row(at, 'console-tests').first().waitFor(WAIT);
    assert.match(await at.locator('.bar .state').innerText(), /stable/i);
    assert.match(await row(at, 'console-tests').first().innerText(), /orders\s0–5/);
    await picture(at, 'group');
    await member.leave();
    await until(at, () => /empty/i.test(document.querySelector('.bar .state').innerText));
    const lag = at.locator('.figure', { hasText: 'Lag' }).locator('dd');
    await until(at, () => document.querySelector('.figure dd').innerText.trim() === '0');
    await server.append('orders', Array.from({ length: 30 }, (_, index) => ({ key: `late-${index}`, value: 'late' })));
    await until(at, () => document.querySelector('.figure dd').innerText.trim() === '30');
    assert.equal((await lag.innerText()).trim(), '30');
    await at.goto(`${server.url}/#/groups`);
    await row(at, 'billing').waitFor(WAIT);
    await until(at, () => [...document.querySelectorAll('tbody tr')].some((one) => /^billing\s.*\s30\s/.test(one.innerText)));
    await picture(at, 'groups');
  },

  async 'rates rise with appends, and never fall below nothing when the server starts again'({ page, server, picture }) {
    const at = await page('/#/topics/payments');
    await at.locator('tbody tr').first().waitFor(WAIT);
    at.expectsErrors = true;
    await at.evaluate(() => {
      window.negative = [];
      new MutationObserver(() => {
        const found = document.querySelector('main').innerText.match(/[-−]\d[\d.,]*\s*\S*\/s/);
        if (found) window.negative.push(found[0]);
      }).observe(document.querySelector('main'), { childList: true, subtree: true, characterData: true });
    });
    const appending = (async () => {
      for (let turn = 0; turn < 12; turn += 1) {
        await server.append('payments', Array.from({ length: 50 }, (_, index) => ({ key: `${turn}-${index}`, value: 'x'.repeat(200) })));
        await new Promise((resolve) => { setTimeout(resolve, 400); });
      }
    })();
    await until(at, () => [...document.querySelectorAll('.figure')].some((one) => /Appends/.test(one.innerText) && /[1-9]\S*\/s/.test(one.innerText)));
    await appending;
    await server.end();
    await at.locator('.problem', { hasText: 'The server does not answer' }).waitFor(WAIT);
    await until(at, () => /not reachable/.test(document.querySelector('#health').innerText));
    assert.equal(await at.locator('tbody tr').count(), 3, 'what was known stays');
    await picture(at, 'server-away');
    await server.begin();
    await at.locator('.problem').waitFor({ ...WAIT, state: 'detached' });
    await until(at, () => /ready/.test(document.querySelector('#health').innerText));
    await server.append('payments', [{ value: 'after' }]);
    await at.waitForTimeout(4500);
    assert.deepEqual(await at.evaluate(() => window.negative), []);
  },

  async 'a record that is appended now is seen now, in its order and once'({ page, server, picture }) {
    await server.create('live', 2);
    const at = await page('/#/topics/live/records?from=latest');
    await until(at, () => /^live/.test(document.querySelector('.foot .state').innerText));
    await server.append('live', [{ key: 'k', value: 'the first', partition: 0 }, { value: 'the second', partition: 0 }]);
    await record(at, 'the second').waitFor(WAIT);
    await at.getByRole('button', { name: 'Pause' }).click();
    await server.append('live', [{ value: 'while paused', partition: 0 }]);
    await at.waitForTimeout(700);
    assert.equal(await record(at, 'while paused').count(), 0);
    await at.getByRole('button', { name: 'Go on' }).click();
    await record(at, 'while paused').waitFor(WAIT);
    await server.append('live', [{ value: 'at last', partition: 1 }]);
    await record(at, 'at last').waitFor(WAIT);
    const places = await at.locator('.record').evaluateAll((rows) => rows.map((one) => one.dataset.key));
    assert.deepEqual(places, ['0:0', '0:1', '0:2', '1:0']);
    await at.locator('[placeholder^="Filter"]').fill('/at last|FIRST/i');
    assert.equal(await at.locator('.record').count(), 2);
    await picture(at, 'tail-filter');
  },

  async 'a stream goes on exactly where it was when the server starts again'({ page, server }) {
    await server.create('resumed', 2);
    await server.append('resumed', [{ value: 'one', partition: 0 }, { value: 'two', partition: 1 }, { value: 'three', partition: 0 }]);
    const at = await page('/#/topics/resumed/records?from=earliest');
    await record(at, 'three').waitFor(WAIT);
    at.expectsErrors = true;
    await server.end('SIGKILL');
    await until(at, () => /trying again/.test(document.querySelector('.foot .state').innerText));
    await server.begin();
    await server.append('resumed', [{ value: 'after the end', partition: 0 }]);
    await record(at, 'after the end').waitFor(WAIT);
    const places = await at.locator('.record').evaluateAll((rows) => rows.map((one) => one.dataset.key).sort());
    assert.deepEqual(places, ['0:0', '0:1', '0:2', '1:0']);
  },

  async 'a flood is bounded in the page'({ page, server }) {
    await server.create('flood');
    for (let turn = 0; turn < 5; turn += 1) {
      await server.append('flood', Array.from({ length: 4000 }, (_, index) => ({ value: `${turn}:${index} ${'x'.repeat(100)}` })));
    }
    const at = await page('/#/topics/flood/records?from=earliest');
    await record(at, '4:3999').waitFor(WAIT);
    assert.match(await at.locator('.foot').innerText(), /20,000 records read, the last 500 shown/);
    assert.equal(await at.locator('.record').count(), 500);
    assert.equal(await at.locator('.record').first().getAttribute('data-key'), '0:19500');
  },

  async 'a record is opened: JSON as it was written, headers, bytes'({ page, picture }) {
    const at = await page('/#/topics/orders/records?from=earliest');
    await at.locator('.record', { has: at.locator('.tag') }).first().locator('summary').click();
    await at.locator('.inside pre').waitFor(WAIT);
    assert.match(await at.locator('.inside').innerText(), /Header trace\s+4bf92f3577b34da6/);
    await picture(at, 'records');
    const hostile = await page('/#/topics/hostile/records?from=earliest');
    await record(hostile, 'exact').locator('summary').click();
    assert.match(await hostile.locator('.inside pre').innerText(), new RegExp(`^\\{\\n  "exact": ${BIG_NUMBER},\\n  "html": `));
    await record(hostile, 'exact').locator('summary').click();
    await record(hostile, '0:3').locator('summary').click();
    assert.match(await hostile.locator('.inside pre').innerText(), /^000000  ff fe 00 01 02 03 +······$/m);
    await hostile.locator('select').nth(2).selectOption('base64');
    assert.equal(await hostile.locator('.inside pre').innerText(), '//4AAQID');
  },

  async 'what is hostile is text and nothing else'({ page, server, picture }) {
    const at = await page('/#/topics/hostile/records?from=earliest');
    await record(at, '0:4').waitFor(WAIT);
    for (const summary of await at.locator('.record summary').all()) await summary.click();
    const first = at.locator('.record').first();
    assert.equal(await first.locator('summary .text').innerText(), HOSTILE);
    assert.equal(await first.locator('.inside pre').innerText(), HOSTILE);
    assert.equal(await first.locator('.inside dt bdi').innerText(), HOSTILE);
    assert.match(await record(at, '0:2').locator('summary .text').innerText(), /⟨U\+202E⟩ round␇, and a␊second line/);
    await picture(at, 'hostile');
    await at.goto(`${server.url}/#/groups`);
    await row(at, HOSTILE_GROUP).waitFor(WAIT);
    await row(at, HOSTILE_GROUP).getByRole('link').click();
    await at.locator('h1', { hasText: HOSTILE_GROUP }).waitFor(WAIT);
    await row(at, 'hostile').first().waitFor(WAIT);
    await at.goto(`${server.url}/#/topics/${encodeURIComponent(HOSTILE)}`);
    await at.locator('.problem').waitFor(WAIT);
    assert.match(await at.locator('.problem').innerText(), /topic/);
    assert.equal(await at.locator('main img, main script, main svg:not(.spark)').count(), 0);
    assert.equal(await at.evaluate(() => window.broken), undefined);
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

  async 'the cluster shows its node, Raft, storage and cache'({ page, server, picture }) {
    const status = await server.ask('/v1/status');
    const at = await page('/#/cluster');
    await at.locator('.stages').waitFor(WAIT);
    const text = await at.locator('main').innerText();
    assert.ok(text.includes(status.cluster_id), text);
    assert.ok(text.includes(server.kafka), text);
    assert.match(text, /Leader\s+node \d/);
    assert.match(text, /In the store\s+\d/);
    assert.match(text, /Memory\s+\d.* of \d/);
    await picture(at, 'cluster');
  },

  async 'a topic is created and appended to from the page, and a refusal is told'({ page, server, picture }) {
    const at = await page();
    const form = at.locator('dialog');
    await at.getByRole('button', { name: 'Create a topic' }).click();
    await form.getByLabel('Name').fill('orders');
    await form.getByRole('button', { name: 'Create' }).click();
    await at.locator('dialog .problem').waitFor(WAIT);
    assert.match(await at.locator('dialog .problem').innerText(), /The topic exists already[\s\S]*orders[\s\S]*topic_exists[\s\S]*[0-9a-f]{32}/);
    await picture(at, 'refused');
    await form.getByLabel('Name').fill('made-here');
    await form.getByLabel('Partitions').fill('2');
    await form.getByLabel('Settings').fill('retention.ms = 60000');
    await form.getByRole('button', { name: 'Create' }).click();
    await at.locator('h1', { hasText: 'made-here' }).waitFor(WAIT);
    assert.equal((await server.ask('/v1/topics/made-here')).configs['retention.ms'].value, '60000');
    await at.getByRole('button', { name: 'Append a record' }).click();
    await form.getByLabel('Key').fill('k');
    await form.getByLabel('Value', { exact: true }).fill('{"made":"here"}');
    await form.getByLabel('Headers').fill('trace: a:b\nempty');
    await form.getByRole('spinbutton', { name: 'Partition' }).fill('1');
    await form.getByRole('button', { name: 'Append' }).click();
    await at.locator('.stored').waitFor(WAIT);
    assert.match(await at.locator('.stored').innerText(), /partition 1 at offset 0/);
    await picture(at, 'append');
    await at.getByRole('link', { name: 'Look at it' }).click();
    await record(at, '{"made":"here"}').waitFor(WAIT);
    const { records: [stored] } = await server.ask('/v1/topics/made-here/partitions/1/records');
    assert.deepEqual([stored.key, stored.value, stored.headers], ['k', '{"made":"here"}', [{ name: 'trace', value: 'a:b' }, { name: 'empty', value: null }]]);
  },

  async 'light and dark follow the system, and the switch wins and is kept'({ page, picture }) {
    const paper = (at) => at.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const [light, dark] = [await page('/#/topics', { colorScheme: 'light' }), await page('/#/topics', { colorScheme: 'dark' })];
    const [white, black] = [await paper(light), await paper(dark)];
    assert.notEqual(white, black);
    await row(dark, 'orders').waitFor(WAIT);
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
    for (const [name, [path, there]] of Object.entries(VIEWS)) {
      await at.goto(`${server.url}${path}`);
      await at.locator(there).first().waitFor(WAIT);
      const width = await at.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 360, `${name} is ${width} wide`);
      await picture(at, `narrow-${name}`);
    }
  },

  async 'nothing stands in the way of a screen reader or of the keyboard'({ page, server }) {
    for (const colorScheme of ['light', 'dark']) {
      const at = await page('/', { colorScheme });
      for (const [name, [path, there]] of Object.entries(VIEWS)) {
        await at.goto(`${server.url}${path}`);
        await at.locator(there).first().waitFor(WAIT);
        await at.evaluate(AXE);
        const found = await at.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
        const told = found.violations.map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => `${node.target} ${node.any[0]?.message ?? ''}`).join(' | ')}`);
        assert.deepEqual(told, [], `${name}, ${colorScheme}`);
        assert.ok(found.passes.length > 10);
      }
    }
  },

  async 'the reference has every operation, parameter and schema'({ page, server, picture }) {
    const document_ = await server.ask('/openapi.json');
    const at = await page('/docs');
    await at.locator('.operation').first().waitFor(WAIT);
    const operations = Object.values(document_.paths).flatMap((item) => Object.entries(item)).filter(([method]) => ['get', 'post', 'put', 'patch', 'delete'].includes(method));
    assert.ok(operations.length >= 9);
    assert.equal(await at.locator('.operation').count(), operations.length);
    assert.equal(await at.locator('#contents li').count(), operations.length);
    for (const [, operation] of operations) {
      const section = at.locator(`.operation[id="${operation.operationId}"]`);
      const text = await section.innerText();
      for (const parameter of operation.parameters ?? []) assert.ok(text.includes(parameter.name), `${operation.operationId}: ${parameter.name}`);
      for (const type of Object.keys(operation.requestBody?.content ?? {})) assert.ok(text.includes(type), `${operation.operationId}: ${type}`);
    }
    // Everything that can be opened is opened, as deep as it goes.
    await at.evaluate(() => {
      for (let turn = 0; turn < 6; turn += 1) for (const one of document.querySelectorAll('details:not([open])')) { one.open = true; one.ontoggle?.(); }
    });
    const whole = await at.locator('main').innerText();
    for (const [name, schema] of Object.entries(document_.components.schemas)) {
      for (const field of Object.keys(schema.properties ?? {})) assert.ok(whole.includes(field), `${name}.${field}`);
    }
    const { operationId } = document_.paths['/v1/topics/{topic}/records'].post;
    const found = await page(`/docs#${operationId}`);
    await found.locator(`#${operationId}`).waitFor(WAIT);
    await until(found, () => window.scrollY > 200);
    await picture(found, 'docs');
    await found.getByLabel('Search operations').fill('delete');
    assert.ok(await found.locator('#contents li').count() < operations.length);
    await found.goto(`${server.url}/`);
    await found.getByRole('link', { name: 'API' }).click();
    await found.locator('.operation').first().waitFor(WAIT);
  },

  async 'the commands of the reference work'({ page, server }) {
    const { execFile } = await import('node:child_process');
    const { promisify } = await import('node:util');
    const at = await page('/docs');
    await at.locator('.operation').first().waitFor(WAIT);
    const commands = await at.locator('.operation > .sample pre').evaluateAll((all) => all.map((one) => {
      const operation = one.closest('.operation');
      return [`${operation.querySelector('.address .method').innerText} ${operation.querySelector('.address .path').textContent}`, one.innerText];
    }));
    const wanted = Object.fromEntries(commands);
    for (const operation of ['GET /v1/topics', 'GET /v1/topics/{topic}', 'POST /v1/topics/{topic}/records', 'GET /v1/topics/{topic}/partitions/{partition}/records']) {
      const [line] = wanted[operation].split('\n');
      const { stdout } = await promisify(execFile)('sh', ['-c', `${line} --silent --fail-with-body --max-time 10`]);
      assert.ok(stdout.startsWith('{'), `${line}: ${stdout}`);
    }
    assert.match(wanted['GET /v1/topics/{topic}/records'], /curl -N -H 'accept: text\/event-stream' 'http/);
    assert.ok(wanted['GET /v1/topics'].includes(server.url));
  },

  async 'a page that nobody sees asks rarely, and at once when it is seen again'({ page }) {
    const at = await page();
    await row(at, 'orders').waitFor(WAIT);
    const see = (isHidden) => at.evaluate((hidden) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event('visibilitychange'));
    }, isHidden);
    await see(true);
    // What was under way comes to its end.
    await at.waitForTimeout(2500);
    let asked = 0;
    at.on('request', () => { asked += 1; });
    await at.waitForTimeout(5000);
    assert.equal(asked, 0);
    await see(false);
    await at.waitForTimeout(1000);
    assert.ok(asked >= 2, `${asked} requests`);
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
    const took = await at.evaluate(() => {
      const began = performance.now();
      document.querySelector('[aria-sort] button').click();
      return performance.now() - began;
    });
    assert.ok(took < 500, `sorting and drawing took ${took} ms`);
    await picture(at, 'many-topics');
  },
};
