// The console and the reference of the API in a real browser, against a real server.
//
//   node run.mjs <tidelog binary> <folder for screenshots> [words of the tests to run]
//
// Every page that is opened is watched: what it asks of other origins, says on its console or throws, every dialog, and
// every refusal by the page's own policy fails the test that it happened in.

import { mkdir } from 'node:fs/promises';
import { chromium } from 'playwright-core';
import { checks } from './checks.mjs';
import { hostile } from './hostile.mjs';
import { crowds } from './many.mjs';
import { reference } from './reference.mjs';
import { Server } from './server.mjs';
import { views } from './views.mjs';
import { fill } from './world.mjs';

// For one thing to happen, and for a whole test: far more than any takes, also where another process has the processor.
const WAIT_MS_MAX = 60_000;
const TEST_MS_MAX = 180_000;
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

const [binary, pictures, ...words] = process.argv.slice(2);
if (!binary || !pictures) throw new Error('usage: node run.mjs <tidelog binary> <folder for screenshots> [words]');
await mkdir(pictures, { recursive: true });

// A page of a browser profile of its own, and what went wrong in it.
async function open(browser, server, settings, wrong) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, colorScheme: 'light', ...settings });
  context.setDefaultTimeout(WAIT_MS_MAX);
  await context.exposeBinding('violated', (_, what) => wrong.push(`policy violated: ${what}`));
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => window.violated(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
  });
  const page = await context.newPage();
  page.expectsErrors = false;
  page.on('request', (request) => {
    if (!request.url().startsWith(`${server.url}/`)) wrong.push(`asked ${request.url()}`);
  });
  page.on('console', (message) => {
    // A browser tells of every answer that is no success, also where the page expects it.
    const isExpected = page.expectsErrors || /^Failed to load resource: the server responded with a status of 4/.test(message.text());
    if (['error', 'warning'].includes(message.type()) && !isExpected) wrong.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => wrong.push(`thrown: ${error.message}`));
  page.on('dialog', (dialog) => {
    wrong.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  return page;
}

async function run(name, check, browser, server) {
  const began = performance.now();
  const wrong = [];
  const pages = [];
  const given = {
    server,
    page: async (path = '/', settings = {}) => {
      const page = await open(browser, server, settings, wrong);
      pages.push(page);
      await page.goto(`${server.url}${path}`);
      return page;
    },
    picture: (page, file) => page.screenshot({ path: `${pictures}/${file}.png` }),
  };
  let late;
  const bound = new Promise((_, reject) => { late = setTimeout(() => reject(new Error(`not done after ${TEST_MS_MAX} ms`)), TEST_MS_MAX); });
  try {
    await Promise.race([check(given), bound]);
  } catch (error) {
    wrong.push(error.stack ?? String(error));
    for (const [index, page] of pages.entries()) await given.picture(page, `failed-${name.replaceAll(/\W+/g, '-')}-${index}`).catch(() => {});
  }
  clearTimeout(late);
  for (const page of pages) await page.context().close();
  // The next test finds a server, whatever became of this one.
  if (!server.isAlive) await server.begin();
  console.log(`test ${name} ... ${wrong.length ? 'FAILED' : 'ok'} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
  for (const what of wrong) console.log(`    ${what.replaceAll('\n', '\n    ')}`);
  return wrong.length === 0;
}

// Each of these has a server of its own, and they run beside each other: one test waits while another has the browser work.
const LANES = [{ ...checks, ...hostile }, { ...views, ...reference, ...crowds }];

let [passed, failed] = [0, 0];
async function runAll(tests) {
  const wanted = Object.entries(tests).filter(([name]) => !words.length || words.some((word) => name.includes(word)));
  if (!wanted.length) return;
  const server = await Server.start(binary);
  try {
    await fill(server);
    for (const [name, check] of wanted) (await run(name, check, browser, server)) ? passed += 1 : failed += 1;
  } finally {
    await server.remove();
  }
}

const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
try {
  // A lane that breaks off lets the others come to their end, and their servers be removed.
  for (const lane of await Promise.allSettled(LANES.map(runAll))) if (lane.reason) throw lane.reason;
} finally {
  await browser.close();
}
console.log(`\ntest result: ${failed ? 'FAILED' : 'ok'}. ${passed} passed; ${failed} failed; 0 ignored`);
process.exit(failed || !passed ? 1 : 0);
