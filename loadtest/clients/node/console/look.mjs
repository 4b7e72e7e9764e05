// How tests look at a page. Whatever is waited for is an event with a bound that a busy machine keeps (`WAIT_MS_MAX` of
// run.mjs); what is said to stay away is looked for after something that comes later.

export const row = (page, text) => page.locator('tbody tr', { hasText: text });
export const cell = (page, text, column) => row(page, text).locator('th, td').nth(column);
export const record = (page, text) => page.locator('.record', { hasText: text });
// By partition and offset, which a time of day may look like as well.
export const recordAt = (page, place) => page.locator(`.record[data-key="${place}"]`);
export const until = (page, what, given) => page.waitForFunction(what, given);

// Every page there is of the console, and something that shows that it is there.
export const VIEWS = {
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

// Goes to a view and waits for what it is about. The page is loaded anew: of the view before nothing is left.
export async function open(page, server, [path, there]) {
  await page.goto('about:blank');
  await page.goto(`${server.url}${path}`);
  await page.locator(there).first().waitFor();
}

// Until the page has looked `count` times more at what `part` of an address names, and has drawn what came before the last.
export async function looks(page, part, count) {
  for (let look = 0; look < count; look += 1) await page.waitForResponse((answer) => answer.url().includes(part) && answer.ok());
}
