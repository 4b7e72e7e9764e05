// What the console shows and does, each as a test of its own.

import assert from 'node:assert/strict';
import { cell, looks, record, recordAt, row, until } from './look.mjs';
import { BIG_NUMBER, join } from './world.mjs';

export const checks = {
  async 'topics are listed with records and sizes'({ page, picture }) {
    const at = await page();
    await row(at, 'payments').waitFor();
    assert.equal(await cell(at, 'orders', 1).innerText(), '6');
    assert.equal(await cell(at, 'orders', 2).innerText(), '600');
    assert.match(await cell(at, 'orders', 3).innerText(), /^\d.*KiB$/);
    assert.equal(await cell(at, 'empty', 2).innerText(), '0');
    await picture(at, 'topics-at-rest');
  },

  async 'topics are searched and sorted, and the address says how'({ page }) {
    const at = await page();
    await row(at, 'payments').waitFor();
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
    await row(at, 'payments').waitFor();
    assert.equal(await at.locator('tbody tr th').first().innerText(), 'orders', 'as it was before');
  },

  async 'a topic shows its partitions, who reads them, and its settings'({ page, server, picture }) {
    const told = await server.ask('/v1/topics/orders');
    const at = await page('/#/topics/orders');
    await at.locator('.legend').waitFor();
    assert.equal(await at.locator('tbody tr').count(), 6);
    const tails = await at.locator('tbody tr').evaluateAll((rows) => rows.map((one) => Number(one.children[3].innerText)));
    assert.deepEqual(tails, told.partitions.map((one) => one.high_watermark));
    assert.match(await at.locator('.legend').innerText(), /reports\s*200 behind/);
    assert.equal(await at.locator('.held i').count(), 6, 'a place in each partition');
    await picture(at, 'topic');
    await at.getByRole('link', { name: 'Groups' }).last().click();
    await row(at, 'reports').waitFor();
    assert.equal(await cell(at, 'reports', 2).innerText(), '200');
    await at.getByRole('link', { name: 'Settings' }).click();
    await row(at, 'retention.ms').first().waitFor();
    // What was set comes first.
    assert.equal((await row(at, 'retention.ms').first().innerText()).replaceAll(/\s+/g, ' ').trim(), 'retention.ms 259200000 3 d 0 h set for this topic');
    await picture(at, 'settings');
  },

  async 'a group shows members, offsets and lag as they change'({ page, server, picture }) {
    const member = await join(server, 'billing', 'orders');
    await member.until(600);
    const at = await page('/#/groups/billing');
    await row(at, 'console-tests').first().waitFor();
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
    await row(at, 'billing').waitFor();
    await until(at, () => [...document.querySelectorAll('tbody tr')].some((one) => /^billing\s.*\s30\s/.test(one.innerText)));
    await picture(at, 'groups');
  },

  async 'rates rise with appends, and never fall below nothing when the server starts again'({ page, server, picture }) {
    const at = await page('/#/topics/payments');
    await at.locator('tbody tr').first().waitFor();
    at.expectsErrors = true;
    await at.evaluate(() => {
      window.negative = [];
      new MutationObserver(() => {
        const found = document.querySelector('main').innerText.match(/[-−]\d[\d.,]*\s*\S*\/s/);
        if (found) window.negative.push(found[0]);
      }).observe(document.querySelector('main'), { childList: true, subtree: true, characterData: true });
    });
    // Between any two looks of the page something is appended, until it has seen that.
    let isSeen = false;
    const appending = (async () => {
      for (let turn = 0; !isSeen && turn < 200; turn += 1) {
        await server.append('payments', Array.from({ length: 50 }, (_, index) => ({ key: `${turn}-${index}`, value: 'x'.repeat(200) })));
        await new Promise((resolve) => { setTimeout(resolve, 300); });
      }
    })();
    await until(at, () => [...document.querySelectorAll('.figure')].some((one) => /Appends/.test(one.innerText) && /[1-9]\S*\/s/.test(one.innerText)));
    isSeen = true;
    await appending;
    await server.end();
    await at.locator('.problem', { hasText: 'The server does not answer' }).waitFor();
    await until(at, () => /not reachable/.test(document.querySelector('#health').innerText));
    assert.equal(await at.locator('tbody tr').count(), 3, 'what was known stays');
    await picture(at, 'server-away');
    await server.begin();
    await at.locator('.problem').waitFor({ state: 'detached' });
    await until(at, () => /ready/.test(document.querySelector('#health').innerText));
    await server.append('payments', [{ value: 'after' }]);
    // A rate is of two looks.
    await looks(at, '/v1/topics/payments', 3);
    assert.deepEqual(await at.evaluate(() => window.negative), []);
  },

  async 'a record that is appended now is seen now, in its order and once'({ page, server, picture }) {
    await server.create('live', 2);
    const at = await page('/#/topics/live/records?from=latest');
    await until(at, () => /^live/.test(document.querySelector('.foot .state').innerText));
    await server.append('live', [{ key: 'k', value: 'the first', partition: 0 }, { value: 'the second', partition: 0 }]);
    await record(at, 'the second').waitFor();
    const stopped = at.waitForEvent('requestfailed', (request) => request.url().includes('/live/records'));
    await at.getByRole('button', { name: 'Pause' }).click();
    await stopped;
    await server.append('live', [{ value: 'while paused', partition: 0 }]);
    await looks(at, '/v1/status', 1);
    assert.equal(await record(at, 'while paused').count(), 0);
    await at.getByRole('button', { name: 'Go on' }).click();
    await record(at, 'while paused').waitFor();
    await server.append('live', [{ value: 'at last', partition: 1 }]);
    await record(at, 'at last').waitFor();
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
    await record(at, 'three').waitFor();
    at.expectsErrors = true;
    await server.end('SIGKILL');
    await until(at, () => /trying again/.test(document.querySelector('.foot .state').innerText));
    await server.begin();
    await server.append('resumed', [{ value: 'after the end', partition: 0 }]);
    await record(at, 'after the end').waitFor();
    const places = await at.locator('.record').evaluateAll((rows) => rows.map((one) => one.dataset.key).sort());
    assert.deepEqual(places, ['0:0', '0:1', '0:2', '1:0']);
  },

  async 'a flood is bounded in the page'({ page, server }) {
    await server.create('flood');
    for (let turn = 0; turn < 5; turn += 1) {
      await server.append('flood', Array.from({ length: 4000 }, (_, index) => ({ value: `${turn}:${index} ${'x'.repeat(100)}` })));
    }
    const at = await page('/#/topics/flood/records?from=earliest');
    await record(at, '4:3999').waitFor();
    assert.match(await at.locator('.foot').innerText(), /20,000 records read, the last 500 shown/);
    assert.equal(await at.locator('.record').count(), 500);
    assert.equal(await at.locator('.record').first().getAttribute('data-key'), '0:19500');
  },

  async 'a record is opened: JSON as it was written, headers, bytes'({ page, picture }) {
    const at = await page('/#/topics/orders/records?from=earliest');
    await at.locator('.record', { has: at.locator('.tag') }).first().locator('summary').click();
    await at.locator('.inside pre').waitFor();
    assert.match(await at.locator('.inside').innerText(), /Header trace\s+4bf92f3577b34da6/);
    await picture(at, 'records');
    const hostile = await page('/#/topics/hostile/records?from=earliest');
    await record(hostile, 'exact').locator('summary').click();
    assert.match(await hostile.locator('.inside pre').innerText(), new RegExp(`^\\{\\n  "exact": ${BIG_NUMBER},\\n  "html": `));
    await record(hostile, 'exact').locator('summary').click();
    await recordAt(hostile, '0:3').locator('summary').click();
    assert.match(await hostile.locator('.inside pre').innerText(), /^000000  ff fe 00 01 02 03 +······$/m);
    await hostile.locator('select').nth(2).selectOption('base64');
    assert.equal(await hostile.locator('.inside pre').innerText(), '//4AAQID');
  },

  async 'the cluster shows its node, Raft, storage and cache'({ page, server, picture }) {
    const status = await server.ask('/v1/status');
    const at = await page('/#/cluster');
    await at.locator('.stages').waitFor();
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
    await at.locator('dialog .problem').waitFor();
    assert.match(await at.locator('dialog .problem').innerText(), /The topic exists already[\s\S]*orders[\s\S]*topic_exists[\s\S]*[0-9a-f]{32}/);
    await picture(at, 'refused');
    await form.getByLabel('Name').fill('made-here');
    await form.getByLabel('Partitions').fill('2');
    await form.getByLabel('Settings').fill('retention.ms = 60000');
    await form.getByRole('button', { name: 'Create' }).click();
    await at.locator('h1', { hasText: 'made-here' }).waitFor();
    assert.equal((await server.ask('/v1/topics/made-here')).configs['retention.ms'].value, '60000');
    await at.getByRole('button', { name: 'Append a record' }).click();
    await form.getByLabel('Key').fill('k');
    await form.getByLabel('Value', { exact: true }).fill('{"made":"here"}');
    await form.getByLabel('Headers').fill('trace: a:b\nempty');
    await form.getByRole('spinbutton', { name: 'Partition' }).fill('1');
    await form.getByRole('button', { name: 'Append' }).click();
    await at.locator('.stored').waitFor();
    assert.match(await at.locator('.stored').innerText(), /partition 1 at offset 0/);
    await picture(at, 'append');
    await at.getByRole('link', { name: 'Look at it' }).click();
    await record(at, '{"made":"here"}').waitFor();
    const { records: [stored] } = await server.ask('/v1/topics/made-here/partitions/1/records');
    assert.deepEqual([stored.key, stored.value, stored.headers], ['k', '{"made":"here"}', [{ name: 'trace', value: 'a:b' }, { name: 'empty', value: null }]]);
  },

  async 'back closes a dialog, and what was typed into it changes nothing'({ page, server, picture }) {
    const at = await page();
    const form = at.locator('dialog');
    const tails = async () => (await server.ask('/v1/topics/orders')).partitions.map((one) => one.high_watermark).join();
    const before = await tails();
    await row(at, 'orders').getByRole('link', { name: 'orders' }).click();
    await at.locator('h1', { hasText: 'orders' }).waitFor();
    await at.getByRole('button', { name: 'Append a record' }).click();
    await form.getByLabel('Value', { exact: true }).fill('never');
    await picture(at, 'dialog');
    await at.goBack();
    await row(at, 'payments').waitFor();
    assert.equal(await form.count(), 0);
    // What is below is not inert any more, and an answer that comes late takes nobody along.
    await at.getByRole('button', { name: 'Create a topic' }).click();
    let answer;
    const asked = new Promise((resolve) => {
      at.route('**/v1/topics', (route) => {
        if (route.request().method() !== 'POST') return route.continue();
        answer = () => route.continue();
        return resolve();
      });
    });
    await form.getByLabel('Name').fill('made-late');
    await form.getByRole('button', { name: 'Create' }).click();
    await asked;
    await at.goForward();
    await at.locator('h1', { hasText: 'orders' }).waitFor();
    assert.equal(await form.count(), 0);
    const answered = at.waitForResponse((response) => response.request().method() === 'POST');
    await answer();
    await answered;
    await looks(at, '/v1/topics/orders', 2);
    assert.match(at.url(), /#\/topics\/orders$/);
    assert.equal(await tails(), before);
    const dark = await page('/#/topics/orders', { colorScheme: 'dark' });
    await dark.getByRole('button', { name: 'Append a record' }).click();
    await dark.locator('dialog h2').waitFor();
    await picture(dark, 'dialog-dark');
  },

  async 'a page that nobody sees asks rarely, and at once when it is seen again'({ page }) {
    const at = await page();
    // From here on time in the page is ours to move.
    await at.clock.install();
    await at.reload();
    await row(at, 'orders').waitFor();
    const see = (isHidden) => at.evaluate((hidden) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event('visibilitychange'));
    }, isHidden);
    await see(true);
    // What was under way comes to its end.
    await at.waitForLoadState('networkidle');
    const asked = [];
    at.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await at.clock.runFor(25_000);
    assert.deepEqual(asked, []);
    const often = at.waitForRequest(/v1.topics/);
    // Half a minute, or ten times as long as looking took.
    await at.clock.fastForward(600_000);
    await often;
    await at.waitForLoadState('networkidle');
    assert.ok(asked.length <= 4, `asked for ${asked}`);
    const atOnce = Promise.all([/v1.topics/, /v1.status/, /metrics/].map((what) => at.waitForRequest(what)));
    await see(false);
    await atOnce;
  },
};
