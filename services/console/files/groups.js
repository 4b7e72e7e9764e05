// Groups: who reads what together, and how far they are.

import { path, request } from './api.js';
import { el } from './dom.js';
import { exact, offset, plural } from './format.js';
import { groupList, groupLooks, lagOf, offsetsOf } from './lag.js';
import { figure, figures, loading, pager, sortBy, state, table } from './parts.js';
import { gauge, spark } from './rates.js';

const PAGE = 25;
const OFFSETS_PAGE = 100;
const GOOD = { Stable: 'good', Empty: 'idle', Dead: 'idle' };
const stateOf = (group) => state(group.state, GOOD[group.state] ?? 'warn');
const linkTo = (group) => el('a', { href: `#/groups/${encodeURIComponent(group)}` }, el('bdi', {}, group === '' ? '(without a name)' : group));

export function groupsView({ route, redraw, reload }) {
  let all = [];
  let isWhole = true;
  const looks = groupLooks();
  const lags = new Map(); // of what was looked at
  const asked = () => ({ search: route.query.get('q') ?? '', sorted: route.query.get('sort') ?? 'group', page: Number(route.query.get('page') ?? 0) || 0 });
  const values = { group: (row) => row.group, state: (row) => row.state, members: (row) => row.members, lag: (row) => lags.get(row.group)?.lag ?? -1n };
  const isByLag = () => /^-?lag$/.test(asked().sorted);

  function shown() {
    const { search, sorted, page } = asked();
    const found = all.filter((row) => row.group.toLowerCase().includes(search.toLowerCase()));
    sortBy(found, sorted, values[sorted.replace(/^-/, '')] ?? values.group, values.group);
    const at = Math.max(0, Math.min(page, Math.ceil(found.length / PAGE) - 1));
    return { found: found.length, page: at, rows: found.slice(at * PAGE, (at + 1) * PAGE) };
  }

  async function load(signal) {
    ({ rows: all, isWhole } = await groupList(signal));
    const names = all.map((row) => row.group);
    const wanted = shown().rows.map((row) => row.group);
    // Of what is not shown only an order by lag needs to know.
    await looks.refresh(isByLag() ? names : wanted, wanted, signal).catch(() => signal.throwIfAborted());
    lags.clear();
    for (const group of names) {
      const offsets = looks.of(group)?.offsets;
      if (offsets) lags.set(group, { lag: lagOf(offsets), topics: new Set(offsets.map((one) => one.topic)).size });
    }
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
    return [
      el('div', { class: 'bar' },
        el('h1', {}, 'Groups'),
        el('input', { type: 'search', placeholder: 'Search', 'aria-label': 'Search groups by name', 'aria-keyshortcuts': '/', value: search, oninput: (event) => go({ q: event.target.value }) }),
        el('span', { class: 'fine', role: 'status' }, data && (search ? `${exact(found)} of ${plural(all.length, 'group')}` : plural(all.length, 'group')), data && !isWhole && ' (the first ones by name)',
          data && isByLag() && lags.size < all.length && `, the lag of ${exact(lags.size)} known so far`)),
      data ? table({
        caption: 'Groups', rows, key: (row) => row.group, sorted, onSort: (sort) => go({ sort: sort === 'group' ? '' : sort }),
        empty: search ? `No group has “${search}” in its name.` : 'There is no group yet. A Kafka consumer with a group id makes one.',
        columns: [
          { name: 'Group', sort: 'group', of: 'name', cell: (row) => linkTo(row.group) },
          { name: 'State', sort: 'state', of: 'word', cell: stateOf },
          { name: 'Members', sort: 'members', of: 'number', falls: true, cell: (row) => exact(row.members) },
          { name: 'Topics', of: 'number wide', cell: (row) => (lags.has(row.group) ? exact(lags.get(row.group).topics) : '–') },
          { name: 'Lag', sort: 'lag', of: 'number', falls: true, cell: (row) => { const lag = lags.get(row.group)?.lag ?? null; return lag === null ? '–' : exact(lag); } },
          { name: 'Protocol', of: 'word wide', cell: (row) => row.protocol_type || '–' },
        ],
      }) : loading(),
      data && pager(page, PAGE, found, (to) => go({ page: to || '' })),
    ];
  }

  return { title: 'Groups', every: 3000, load, render };
}

export function groupView({ route, redraw }) {
  const group = route.parts[1];
  const key = `lag ${group}`;

  async function load(signal) {
    const [about, offsets] = await Promise.all([request(path('groups', group), { signal }), offsetsOf(group, signal)]);
    const lag = lagOf(offsets);
    if (lag !== null) gauge(key, lag);
    offsets.sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition));
    return { about, offsets, lag };
  }

  function render(data) {
    if (!data) return loading();
    const { about, offsets, lag } = data;
    const page = Math.max(0, Math.min(Number(route.query.get('page') ?? 0) || 0, Math.ceil(offsets.length / OFFSETS_PAGE) - 1));
    const owners = new Map();
    for (const member of about.members ?? []) {
      for (const part of member.assignment ?? []) for (const partition of part.partitions) owners.set(`${part.topic} ${partition}`, member.client_id || member.member_id);
    }
    const most = offsets.reduce((max, one) => (BigInt(one.lag ?? 0) > max ? BigInt(one.lag ?? 0) : max), 1n);
    const go = (to) => { to ? route.query.set('page', to) : route.query.delete('page'); route.replace(); redraw(); };
    return [
      el('nav', { class: 'crumbs', 'aria-label': 'Where this is' }, el('a', { href: '#/groups' }, 'Groups')),
      el('div', { class: 'bar' }, el('h1', { class: 'named' }, el('bdi', {}, group)), stateOf(about)),
      figures(
        figure('Lag', lag === null ? '–' : exact(lag), spark(key, 96, 22)),
        figure('Members', exact(about.members?.length ?? 0)),
        figure('Partitions', exact(offsets.length)),
        figure('Assignor', about.protocol || '–')),
      el('h2', {}, 'Members'),
      table({
        caption: 'Members', rows: about.members ?? [], key: (row) => row.member_id, empty: 'Nobody is in the group now. Its offsets are kept.',
        columns: [
          { name: 'Client', of: 'name', cell: (row) => el('bdi', {}, row.client_id || row.member_id) },
          { name: 'Host', of: 'mono', cell: (row) => row.client_host || '–' },
          { name: 'Instance', of: 'mono wide', cell: (row) => (row.instance_id ? el('bdi', {}, row.instance_id) : '–') },
          { name: 'Reads', of: 'value', cell: (row) => (row.assignment?.length ? row.assignment.map((part) => el('span', { class: 'part' },
            el('a', { href: `#/topics/${encodeURIComponent(part.topic)}` }, part.topic), ' ', el('span', { class: 'fine' }, ranges(part.partitions)))) : '–') },
        ],
      }),
      el('h2', {}, 'Offsets'),
      table({
        caption: 'Offsets', rows: offsets.slice(page * OFFSETS_PAGE, (page + 1) * OFFSETS_PAGE), key: (row) => `${row.topic} ${row.partition}`, empty: 'No offset is committed yet.',
        columns: [
          { name: 'Topic', of: 'name', cell: (row) => el('a', { href: `#/topics/${encodeURIComponent(row.topic)}` }, row.topic) },
          { name: 'Partition', of: 'number', cell: (row) => exact(row.partition) },
          { name: 'Offset', of: 'number', cell: (row) => (row.offset === null || row.offset === undefined ? '–' : exact(offset(row.offset))) },
          { name: 'Tail', of: 'number wide', cell: (row) => (row.tail === undefined || row.tail === null ? '–' : exact(offset(row.tail))) },
          { name: 'Lag', of: 'number', cell: (row) => (row.lag === undefined || row.lag === null ? '–' : exact(BigInt(row.lag))) },
          { name: 'Lag, drawn', isDrawn: true, of: 'drawn wide', cell: (row) => el('span', { class: 'meter plain', 'aria-hidden': 'true' }, el('span', { style: { width: `${Number((BigInt(row.lag ?? 0) * 1000n) / most) / 10}%` } })) },
          { name: 'Member', of: 'mono wide', cell: (row) => el('bdi', {}, owners.get(`${row.topic} ${row.partition}`) ?? '–') },
        ],
      }),
      pager(page, OFFSETS_PAGE, offsets.length, go),
    ];
  }

  return { title: group, every: 2000, load, render };
}

// 0–3, 5
function ranges(partitions) {
  const sorted = [...partitions].sort((a, b) => a - b);
  const out = [];
  for (const one of sorted) {
    const last = out.at(-1);
    if (last && last[1] === one - 1) last[1] = one;
    else out.push([one, one]);
  }
  return out.map(([from, to]) => (from === to ? from : `${from}–${to}`)).join(', ');
}
