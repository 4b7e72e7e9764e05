// The list of topics. Thousands of them are searched and sorted here; what is not shown is asked for rarely.

import { path, request } from './api.js';
import { el } from './dom.js';
import { brief, bytes, exact, offset, plural, rate } from './format.js';
import { createTopic } from './forms.js';
import { loading, pager, sortBy, table, wholeList } from './parts.js';
import { observe, rateOf, spark } from './rates.js';

const PAGE = 50;
const TOPICS_MAX = 50_000;
// The whole list is loaded again after this long, although only a part is shown.
const WHOLE_MS = 60_000;
// Lists that are longer are searched and sorted as they were a while ago.
const LONG = 1000;
const LONG_MS = 10_000;

const counter = (topic) => `topic ${topic.id}`;

export function topicsView({ route, redraw, reload, shared }) {
  let all = [];
  let isWhole = true;
  let wholeAt = -Infinity;
  const asked = () => ({
    search: route.query.get('q') ?? '',
    sorted: route.query.get('sort') ?? 'name',
    page: Number(route.query.get('page') ?? 0) || 0,
  });
  const values = {
    name: (topic) => topic.name,
    partitions: (topic) => topic.partitions,
    records: (topic) => offset(topic.records),
    bytes: (topic) => Number(topic.bytes ?? 0),
    rate: (topic) => rateOf(counter(topic)) ?? 0,
  };

  function shown() {
    const { search, sorted, page } = asked();
    const wanted = search.toLowerCase();
    const found = all.filter((topic) => topic.name.toLowerCase().includes(wanted));
    if (sorted !== 'name') sortBy(found, sorted, values[sorted.replace(/^-/, '')] ?? values.name, values.name);
    const at = Math.max(0, Math.min(page, Math.ceil(found.length / PAGE) - 1));
    return { found: found.length, page: at, rows: found.slice(at * PAGE, (at + 1) * PAGE) };
  }

  async function load(signal) {
    const { rows } = shown();
    const { search, sorted } = asked();
    let fresh;
    const age = performance.now() - wholeAt;
    const isStretch = !search && sorted === 'name' && all.length > PAGE;
    const isChanged = isWhole && shared.status && shared.status.topics !== all.length;
    if ((!isStretch || isChanged || age > WHOLE_MS) && (all.length <= LONG || age > LONG_MS)) {
      const list = await wholeList(request, 'v1/topics?details=true&limit=5000', 'topics', TOPICS_MAX, signal);
      [all, isWhole, wholeAt] = [list.rows, list.isWhole, performance.now()];
      fresh = new Set(all.map((topic) => topic.name));
    } else if (!isStretch) {
      return true;
    } else {
      // In the order of names what is shown is one stretch of the list.
      const before = all[all.indexOf(rows[0]) - 1];
      const after = before ? `&after=${encodeURIComponent(before.name)}` : '';
      const part = await request(`v1/topics?details=true&limit=${rows.length}${after}`, { signal });
      const news = new Map(part.topics.map((topic) => [topic.name, topic]));
      all = all.map((topic) => news.get(topic.name) ?? topic);
      fresh = new Set(news.keys());
    }
    const drawn = new Set(shown().rows);
    for (const topic of all) if (fresh.has(topic.name)) observe(counter(topic), offset(topic.records), drawn.has(topic));
    return true;
  }

  const go = (changes) => {
    for (const [name, value] of Object.entries(changes)) value ? route.query.set(name, value) : route.query.delete(name);
    if (!('page' in changes)) route.query.delete('page');
    route.replace();
    redraw();
    reload();
  };

  function render(data) {
    const { search, sorted } = asked();
    const { found, page, rows } = shown();
    const link = (topic) => el('a', { href: `#/topics/${encodeURIComponent(topic.name)}` }, topic.name);
    return [
      el('div', { class: 'bar' },
        el('h1', {}, 'Topics'),
        el('input', { type: 'search', placeholder: 'Search', 'aria-label': 'Search topics by name', 'aria-keyshortcuts': '/',
          value: search, oninput: (event) => go({ q: event.target.value }) }),
        el('span', { class: 'fine', role: 'status' },
          data && (search ? `${exact(found)} of ${plural(all.length, 'topic')}` : plural(all.length, 'topic')),
          data && !isWhole && ' (the first ones by name)'),
        el('button', { type: 'button', class: 'main', onclick: () => createTopic(shared.open) }, 'Create a topic')),
      data ? table({
        caption: 'Topics', rows, key: (topic) => topic.id, sorted, onSort: (sort) => go({ sort: sort === 'name' ? '' : sort }),
        empty: search ? `No topic has “${search}” in its name.` : 'There is no topic yet. Create one, or append to one: it comes into being.',
        columns: [
          { name: 'Name', sort: 'name', of: 'name', cell: link },
          { name: 'Partitions', sort: 'partitions', of: 'number wide', falls: true, cell: (topic) => exact(topic.partitions) },
          { name: 'Records', sort: 'records', of: 'number', falls: true, cell: (topic) => (topic.records === undefined ? '–' : brief(topic.records)) },
          { name: 'Size', sort: 'bytes', of: 'number', falls: true, cell: (topic) => (topic.bytes === undefined ? '–' : bytes(topic.bytes)) },
          { name: 'Appends', sort: 'rate', of: 'number', falls: true, cell: (topic) => rate(rateOf(counter(topic))) },
          { name: 'Appends, drawn', isDrawn: true, of: 'drawn wide', cell: (topic) => spark(counter(topic)) },
        ],
      }) : loading(),
      data && pager(page, PAGE, found, (to) => go({ page: to || '' })),
    ];
  }

  return { title: 'Topics', isFront: true, every: 2000, load, render };
}

export const topicAddress = (name) => path('topics', name);
