// The reference of the API: all that the document says is there, and its commands work.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { until } from './look.mjs';

export const reference = {
  async 'the reference has every operation, parameter and schema'({ page, server, picture }) {
    const document_ = await server.ask('/openapi.json');
    const at = await page('/docs');
    await at.locator('.operation').first().waitFor();
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
    await found.locator(`#${operationId}`).waitFor();
    await until(found, () => window.scrollY > 200);
    await picture(found, 'docs');
    await found.getByLabel('Search operations').fill('delete');
    assert.ok(await found.locator('#contents li').count() < operations.length);
    await found.goto(`${server.url}/`);
    await found.getByRole('link', { name: 'API' }).click();
    await found.locator('.operation').first().waitFor();
  },

  async 'the commands of the reference work'({ page, server }) {
    const at = await page('/docs');
    await at.locator('.operation').first().waitFor();
    const commands = await at.locator('.operation > .sample pre').evaluateAll((all) => all.map((one) => {
      const operation = one.closest('.operation');
      return [`${operation.querySelector('.address .method').innerText} ${operation.querySelector('.address .path').textContent}`, one.innerText];
    }));
    const wanted = Object.fromEntries(commands);
    for (const operation of ['GET /v1/topics', 'GET /v1/topics/{topic}', 'POST /v1/topics/{topic}/records', 'GET /v1/topics/{topic}/partitions/{partition}/records']) {
      const [line] = wanted[operation].split('\n');
      const { stdout } = await promisify(execFile)('sh', ['-c', `${line} --silent --fail-with-body --max-time 60`]);
      assert.ok(stdout.startsWith('{'), `${line}: ${stdout}`);
    }
    assert.match(wanted['GET /v1/topics/{topic}/records'], /curl -N -H 'accept: text\/event-stream' 'http/);
    assert.ok(wanted['GET /v1/topics'].includes(server.url));
  },
};
