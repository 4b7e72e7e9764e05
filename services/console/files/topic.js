// One topic: its partitions, its records as they come, who reads it, and its settings.

import { path, request } from './api.js';
import { copyButton, el } from './dom.js';
import { appendRecord } from './forms.js';
import { brief, bytes, duration, exact, meaning, offset, plural, rate } from './format.js';
import { lagOf, readersOf } from './lag.js';
import { figure, figures, loading, pager, sortBy, table } from './parts.js';
import { observe, rateOf, spark } from './rates.js';
import { tail } from './tail.js';

const PAGE = 100;
const PARTITIONS_MAX = 10_000;
const TABS = { '': 'Partitions', records: 'Records', groups: 'Groups', settings: 'Settings' };
const GROUPS_PAGE = 50;
// Colours there are for groups in the drawings.
const HUES = 6;
// Lags that are older than this say so.
const AGE_S_MAX = 10;

export function topicView({ route, redraw, shared }) {
  const [, name, tab = ''] = route.parts;
  const readersNow = readersOf(name);
  let records = null;

  async function load(signal) {
    const topic = await request(`${path('topics', name)}?partition_limit=${PARTITIONS_MAX}`, { signal });
    // A node that does not tell of groups can still be looked at.
    const reading = tab === 'records' ? null : await readersNow(signal).catch((problem) => ({ readers: new Map(), problem }));
    const rows = topic.partitions.map((one) => {
      const [start, end] = [offset(one.log_start), offset(one.high_watermark)];
      return { partition: one.partition, start, end, records: end - start, bytes: one.bytes, key: `partition ${topic.id} ${one.partition}` };
    });
    const page = pageOf();
    rows.forEach((row, index) => observe(row.key, row.end, Math.floor(index / PAGE) === page));
    const sum = (value) => rows.reduce((total, row) => total + BigInt(value(row)), 0n);
    const totals = { records: sum((row) => row.records), bytes: sum((row) => row.bytes), end: sum((row) => row.end) };
    observe(`tail ${topic.id}`, totals.end);
    return { topic, rows, totals, reading };
  }

  const pageOf = () => Number(route.query.get('page') ?? 0) || 0;

  function head({ topic, totals }) {
    const key = `tail ${topic.id}`;
    return [
      el('nav', { class: 'crumbs', 'aria-label': 'Where this is' }, el('a', { href: '#/topics' }, 'Topics')),
      el('div', { class: 'bar' },
        el('h1', { class: 'named' }, topic.name),
        copyButton(() => topic.name),
        el('button', { type: 'button', class: 'main', onclick: () => appendRecord(topic, shared.open) }, 'Append a record')),
      figures(
        figure('Partitions', exact(topic.partition_count)),
        figure('Records', brief(totals.records)),
        figure('Size', bytes(totals.bytes)),
        figure('Appends', rate(rateOf(key)), spark(key, 96, 22))),
      topic.next_partition !== undefined && el('p', { class: 'fine' }, `Of the first ${exact(PARTITIONS_MAX)} partitions.`),
      el('nav', { class: 'tabs', 'aria-label': 'About the topic' }, Object.entries(TABS).map(([id, label]) =>
        el('a', { href: `#/topics/${encodeURIComponent(name)}${id && `/${id}`}`, 'aria-current': id === tab ? 'page' : null }, label))),
    ];
  }

  function partitions({ rows, reading }) {
    const page = Math.max(0, Math.min(pageOf(), Math.ceil(rows.length / PAGE) - 1));
    const part = rows.slice(page * PAGE, (page + 1) * PAGE);
    const largest = rows.reduce((most, row) => (row.records > most ? row.records : most), 1n);
    const places = placesOf(reading);
    return [
      table({
        caption: 'Partitions', rows: part, key: (row) => row.partition, empty: 'No partitions.',
        columns: [
          { name: 'Partition', of: 'number first', cell: (row) => exact(row.partition) },
          { name: 'Log', of: 'strip', cell: (row) => strip(row, largest, places.get(row.partition) ?? []) },
          { name: 'Beginning', of: 'number wide', cell: (row) => exact(row.start) },
          { name: 'Tail', of: 'number', cell: (row) => exact(row.end) },
          { name: 'Records', of: 'number wide', cell: (row) => exact(row.records) },
          { name: 'Size', of: 'number', cell: (row) => bytes(row.bytes) },
          { name: 'Appends', of: 'number', cell: (row) => rate(rateOf(row.key)) },
          { name: 'Appends, drawn', isDrawn: true, of: 'drawn wide', cell: (row) => spark(row.key) },
        ],
      }),
      pager(page, PAGE, rows.length, (to) => go({ page: to || '' })),
      reading?.readers.size > 0 && el('p', { class: 'legend' },
        [...reading.readers].slice(0, HUES).map(([group, offsets], hue) =>
          el('span', {}, el('i', { class: `hue${hue}` }), el('a', { href: `#/groups/${encodeURIComponent(group)}` }, el('bdi', {}, group)),
            el('span', { class: 'fine' }, ` ${brief(lagOf(offsets) ?? 0)} behind`))),
        reading.readers.size > HUES && el('a', { href: `#/topics/${encodeURIComponent(name)}/groups` }, `${plural(reading.readers.size - HUES, 'more group')}`)),
      lookedAt(reading),
    ];
  }

  function readers({ reading }) {
    if (reading.problem) return el('p', { class: 'empty' }, `Groups are not told: ${reading.problem.message}`);
    const sorted = route.query.get('sort') ?? 'group';
    const rows = [...reading.readers].map(([group, offsets]) => ({ group, offsets, lag: lagOf(offsets), most: mostOf(offsets) }));
    const values = { group: (row) => row.group, lag: (row) => row.lag ?? -1n, most: (row) => row.most };
    sortBy(rows, sorted, values[sorted.replace(/^-/, '')] ?? values.group, values.group);
    const page = Math.max(0, Math.min(pageOf(), Math.ceil(rows.length / GROUPS_PAGE) - 1));
    return [
      table({
        caption: 'Groups that read the topic', rows: rows.slice(page * GROUPS_PAGE, (page + 1) * GROUPS_PAGE), key: (row) => row.group,
        sorted, onSort: (sort) => go({ sort: sort === 'group' ? '' : sort, page: '' }),
        empty: isAllKnown(reading) ? 'No group has committed an offset of this topic.' : 'No group that reads this topic is found yet.',
        columns: [
          { name: 'Group', sort: 'group', of: 'name', cell: (row) => el('a', { href: `#/groups/${encodeURIComponent(row.group)}` }, el('bdi', {}, row.group)) },
          { name: 'Partitions', of: 'number', cell: (row) => exact(row.offsets.length) },
          { name: 'Lag', sort: 'lag', falls: true, of: 'number', cell: (row) => (row.lag === null ? '–' : exact(row.lag)) },
          { name: 'Largest in one partition', sort: 'most', falls: true, of: 'number wide', cell: (row) => exact(row.most) },
        ],
      }),
      pager(page, GROUPS_PAGE, rows.length, (to) => go({ page: to || '' })),
      lookedAt(reading),
    ];
  }

  function go(changes) {
    for (const [parameter, value] of Object.entries(changes)) value ? route.query.set(parameter, value) : route.query.delete(parameter);
    route.replace();
    redraw();
  }

  const render = (data) => {
    if (!data) return loading();
    if (tab === 'records') {
      records ??= tail(data.topic, route);
      return [head(data), records.element];
    }
    const body = { '': partitions, groups: readers, settings }[tab] ?? (() => el('p', { class: 'empty' }, 'There is no such page.'));
    return [head(data), body(data)];
  };

  return { title: name, every: tab === 'records' ? 5000 : 2000, load, render, close: () => records?.close() };
}

// For each partition the groups that have a place in it.
function placesOf(reading) {
  const places = new Map();
  [...(reading?.readers ?? [])].slice(0, HUES).forEach(([group, offsets], hue) => {
    for (const one of offsets) {
      const of = places.get(one.partition) ?? [];
      of.push({ group, hue, offset: offset(one.offset), lag: one.lag });
      places.set(one.partition, of);
    }
  });
  return places;
}

// The log of a partition, as long as it has records, with where the groups are in it.
function strip(row, largest, places) {
  const share = (part, whole) => (whole > 0n ? Number((part * 10_000n) / whole) / 100 : 0);
  const label = [`${plural(row.records, 'record')}`, ...places.map((place) => `${place.group} is ${plural(place.lag ?? 0, 'record')} behind`)];
  return el('span', { class: 'log', role: 'img', 'aria-label': label.join('; '), title: label.join('\n') },
    el('span', { class: 'held', style: { width: `${Math.max(share(row.records, largest), row.records > 0n ? 0.5 : 0)}%` } },
      places.map((place) => {
        const at = place.offset < row.start ? 0n : place.offset > row.end ? row.records : place.offset - row.start;
        return el('i', { class: `hue${place.hue}`, style: { left: `${share(at, row.records)}%` } });
      })));
}

const mostOf = (offsets) => offsets.reduce((most, one) => (BigInt(one.lag ?? 0) > most ? BigInt(one.lag ?? 0) : most), 0n);

const isAllKnown = (reading) => reading.known >= reading.all && reading.isWhole;

// What of the groups is not known, or not of this moment. Nothing where all of it is.
function lookedAt(reading) {
  if (!reading || reading.problem) return null;
  const said = [
    reading.known < reading.all && `${exact(reading.known)} of ${plural(reading.all, 'group')} looked at so far.`,
    !reading.isWhole && `Of the first ${exact(reading.all)} groups by name.`,
    reading.age_s > AGE_S_MAX && `Lags are up to ${duration(reading.age_s)} old.`,
  ].filter(Boolean);
  return said.length > 0 && el('p', { class: 'fine', role: 'status' }, said.join(' '));
}

function settings({ topic }) {
  const rows = Object.entries(topic.configs).map(([setting, view]) => ({ setting, ...view }));
  rows.sort((a, b) => Number(b.is_set) - Number(a.is_set) || (a.setting < b.setting ? -1 : 1));
  return table({
    caption: 'Settings', rows, key: (row) => row.setting, empty: 'No settings are told.',
    columns: [
      { name: 'Setting', of: 'name', cell: (row) => row.setting },
      { name: 'Value', of: 'value', cell: (row) => [el('bdi', { class: 'mono' }, row.value), ' ', el('span', { class: 'fine' }, meaning(row.setting, row.value))] },
      { name: 'Origin', of: 'word', cell: (row) => (row.is_set ? 'set for this topic' : el('span', { class: 'fine' }, 'default')) },
    ],
  });
}
