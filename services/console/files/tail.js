// The records of a topic, as they come.
//
// Read with fetch instead of EventSource: a refusal can then be shown with what it says, pausing closes the connection and
// going on resumes exactly behind the last record (Last-Event-ID, as EventSource would say it), and what is not drawn yet is
// not read, so that a topic of any speed costs the page no more than it can bear.

import { path, Problem, stream } from './api.js';
import { el, show } from './dom.js';
import { exact, plural } from './format.js';
import { problemBox } from './parts.js';
import { keyOf, line, searched, weight } from './record.js';

const ROWS_MAX = 500;
const WEIGHT_MAX = 16 << 20;
const DRAW_MS = 100;
const BUFFER_MAX = 128 << 20;
const AGAIN_MS = [500, 1000, 2000, 5000, 10_000];
// The most that the API reads as one.
const MERGED_MAX = 256;
const FROM = {
  latest: 'now on', '1m': '1 minute ago', '10m': '10 minutes ago', '1h': '1 hour ago', earliest: 'the earliest', time: 'a time …', offset: 'an offset …',
};
const AGO_MS = { '1m': 60_000, '10m': 600_000, '1h': 3_600_000 };
const FORMATS = { auto: 'as it is', text: 'text', base64: 'base64', hex: 'hexadecimal' };

const option = (chosen) => ([value, text]) => el('option', { value, selected: value === chosen }, text);
const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// What there is to see and to set, in an element that looks after itself. `route.query` has what is set.
export function tail(topic, route) {
  const set = (name, fallback) => route.query.get(name) ?? fallback;
  const isMany = topic.partition_count > MERGED_MAX;
  const wanted = {
    from: set('from', '10m'), at: set('at', ''), partition: set('partition', isMany ? '0' : ''), format: set('format', 'auto'), filter: set('filter', ''),
  };
  let kept = []; // { record, text, row } from the oldest
  let keys = new Set();
  let keptWeight = 0;
  let seen = 0;
  let fresh = [];
  let last = null; // the id of the last event
  let state = 'connecting';
  let problem = null;
  let stopper = null;
  let drawing = null;
  let isFollowing = true;
  let rateSince = { at: performance.now(), seen: 0, rate: 0 };

  const rows = el('div', { class: 'rows', tabindex: '0', role: 'log', 'aria-live': 'off', 'aria-label': `Records of ${topic.name}` });
  const above = el('div', { class: 'bar tools' });
  const note = el('div', {});
  const foot = el('div', { class: 'bar foot' });
  const element = el('section', { class: 'tail', key: 'tail', own: true, 'aria-label': 'Records' }, above, note, rows, foot);
  rows.onscroll = () => {
    isFollowing = rows.scrollTop + rows.clientHeight > rows.scrollHeight - 24;
    if (!drawing) tell();
  };

  const regex = /^\/(.+)\/([i]?)$/;
  let matches = () => true;
  function setFilter(text) {
    wanted.filter = text;
    const as = regex.exec(text);
    const plain = text.toLowerCase();
    matches = plain ? (searchedText) => searchedText.toLowerCase().includes(plain) : () => true;
    if (as) {
      try {
        const pattern = new RegExp(as[1], as[2]);
        matches = (searchedText) => pattern.test(searchedText);
      } catch { /* Half written: taken as it stands. */ }
    }
  }

  function keep(id, record) {
    last = id;
    seen += 1;
    const key = keyOf(record);
    const text = searched(record);
    if (keys.has(key) || !matches(text)) return;
    keys.add(key);
    fresh.push({ record, key, text, weight: weight(record) });
    // More than will be shown is not kept until it is drawn.
    if (fresh.length > ROWS_MAX) keys.delete(fresh.shift().key);
    drawing ??= setTimeout(draw, DRAW_MS);
  }

  function draw() {
    drawing = null;
    const added = fresh;
    fresh = [];
    for (const one of added) {
      one.row = line(one.record, () => wanted.format, () => { isFollowing = false; tell(); });
      keptWeight += one.weight;
    }
    kept.push(...added);
    rows.append(...added.map((one) => one.row));
    let gone = 0;
    while (kept.length - gone > ROWS_MAX || (keptWeight > WEIGHT_MAX && gone < kept.length - 1)) {
      const oldest = kept[gone];
      oldest.row.remove();
      keys.delete(oldest.key);
      keptWeight -= oldest.weight;
      gone += 1;
    }
    kept.splice(0, gone);
    if (isFollowing) rows.scrollTop = rows.scrollHeight;
    tell();
  }

  function clear() {
    clearTimeout(drawing);
    drawing = null;
    rows.replaceChildren();
    [kept, fresh, keys, keptWeight, seen] = [[], [], new Set(), 0, 0];
    rateSince = { at: performance.now(), seen: 0, rate: 0 };
    isFollowing = true;
  }

  function address() {
    const query = new URLSearchParams();
    if (wanted.from === 'offset') query.set('from', wanted.at || '0');
    else if (wanted.from === 'time') query.set('from', `@${Date.parse(wanted.at) || Date.now()}`);
    else query.set('from', AGO_MS[wanted.from] ? `@${Date.now() - AGO_MS[wanted.from]}` : wanted.from);
    const where = wanted.partition === '' ? [] : ['partitions', wanted.partition];
    return `${path('topics', topic.name, ...where, 'records')}?${query}`;
  }

  // Reads until it is stopped; comes back when the connection is lost.
  async function run() {
    stopper?.abort();
    const own = new AbortController();
    stopper = own;
    problem = null;
    const from = address();
    for (let tries = 0; !own.signal.aborted;) {
      state = 'connecting';
      tell();
      try {
        const answer = await stream(from, { headers: last === null ? {} : { 'last-event-id': last }, signal: own.signal });
        state = 'live';
        problem = null;
        tell();
        const before = seen;
        await read(answer.body, own.signal);
        if (seen > before) tries = 0;
      } catch (error) {
        if (own.signal.aborted) return;
        problem = error instanceof Problem ? error : new Problem({ title: 'The stream broke off', detail: error.message });
        if (!problem.retry) {
          state = 'ended';
          tell();
          return;
        }
      }
      if (own.signal.aborted) return;
      state = 'waiting';
      tell();
      await sleep(AGAIN_MS[Math.min(tries, AGAIN_MS.length - 1)]);
      tries += 1;
    }
  }

  async function read(body, signal) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        text += value;
        let from = 0;
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n', from)) {
          event(text.slice(from, end));
          from = end + 2;
        }
        text = text.slice(from);
        if (text.length > BUFFER_MAX) throw new Problem({ title: 'A record is too large to be shown', detail: 'begin behind it', retry: false });
        // Others get their turn, and what comes faster than this waits at the server.
        if (from) await sleep(0);
        signal.throwIfAborted();
      }
    } finally {
      reader.cancel().catch(() => {});
    }
  }

  function event(text) {
    let [id, name, data] = [null, '', ''];
    for (const each of text.split('\n')) {
      const at = each.indexOf(':');
      const rest = each.slice(at + 1).replace(/^ /, '');
      if (each.startsWith('id:')) id = rest;
      else if (each.startsWith('event:')) name = rest;
      else if (each.startsWith('data:')) data += (data && '\n') + rest;
    }
    if (!data) return;
    const told = JSON.parse(data);
    if (name === 'problem') throw new Problem(told);
    keep(id, told);
  }

  const begin = () => {
    clear();
    last = null;
    run();
  };

  function change(name, value) {
    wanted[name] = value;
    if (name === 'from' && value === 'time' && !wanted.at) wanted.at = new Date(Date.now() - 3_600_000 - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
    if (name === 'from' && value === 'offset') {
      wanted.at = /^\d+$/.test(wanted.at) ? wanted.at : '0';
      if (wanted.partition === '') wanted.partition = '0';
    }
    if (name === 'partition' && value === '' && wanted.from === 'offset') wanted.from = 'earliest';
    for (const [each, fallback] of Object.entries({ from: '10m', at: '', partition: '', format: 'auto', filter: '' })) {
      wanted[each] === fallback ? route.query.delete(each) : route.query.set(each, wanted[each]);
    }
    route.replace();
    if (name === 'format') {
      for (const one of kept.filter(({ row }) => row.open)) {
        one.row.querySelector('.inside')?.remove();
        one.row.ontoggle();
      }
    } else if (name === 'filter') {
      setFilter(value);
      const gone = kept.filter((one) => !matches(one.text));
      kept = kept.filter((one) => matches(one.text));
      for (const one of gone) {
        one.row.remove();
        keys.delete(one.key);
        keptWeight -= one.weight;
      }
    } else begin();
    tell();
  }

  function pause() {
    if (state === 'paused') return run();
    // Where it was is no longer there.
    if (state === 'ended') return begin();
    stopper.abort();
    state = 'paused';
    return tell();
  }

  const on = (name) => (event) => change(name, event.target.value);
  function tell() {
    const now = performance.now();
    if (now - rateSince.at > 1000) rateSince = { at: now, seen, rate: ((seen - rateSince.seen) * 1000) / (now - rateSince.at) };
    show(above,
      el('label', {}, 'From ', el('select', { onchange: on('from'), value: wanted.from }, Object.entries(FROM).map(option(wanted.from)))),
      wanted.from === 'time' && el('input', { key: 'time', type: 'datetime-local', 'aria-label': 'Time', value: wanted.at, onchange: on('at') }),
      wanted.from === 'offset' && el('input', { key: 'offset', inputmode: 'numeric', size: 10, 'aria-label': 'Offset', value: wanted.at, onchange: on('at') }),
      el('label', { key: 'partition' }, 'Partition ', topic.partition_count > MERGED_MAX
        ? el('input', { inputmode: 'numeric', size: 6, value: wanted.partition, onchange: on('partition') })
        : el('select', { onchange: on('partition'), value: wanted.partition },
          [['', 'all'], ...Array.from({ length: topic.partition_count }, (_, index) => [String(index), String(index)])].map(option(wanted.partition)))),
      el('label', { key: 'format' }, 'Values ', el('select', { onchange: on('format'), value: wanted.format }, Object.entries(FORMATS).map(option(wanted.format)))),
      el('input', { key: 'filter', type: 'search', placeholder: 'Filter: text or /pattern/', 'aria-label': 'Filter records', 'aria-keyshortcuts': '/', value: wanted.filter, oninput: on('filter') }),
      el('button', { key: 'pause', type: 'button', class: 'main', 'aria-keyshortcuts': 'p', onclick: pause }, state === 'paused' || state === 'ended' ? 'Go on' : 'Pause'));
    show(note, problem && problemBox(problem),
      !kept.length && !fresh.length && !problem && el('p', { class: 'empty' },
        seen ? 'No record matches the filter yet.' : wanted.from === 'earliest' ? 'No record yet. What is appended shows here.' : ['No record since then. What is appended shows here. ',
          el('button', { type: 'button', class: 'quiet', onclick: () => change('from', 'earliest') }, 'Show from the earliest')]));
    const words = { connecting: 'connecting', live: 'live', paused: 'paused', waiting: 'connection lost, trying again', ended: 'ended' };
    show(foot,
      el('span', { class: `state ${state === 'live' ? 'good' : state === 'paused' ? 'idle' : 'bad'}`, role: 'status' }, words[state]),
      el('span', { class: 'fine' }, `${plural(seen, 'record')} read`, wanted.filter && `, ${exact(kept.length)} match`, kept.length >= ROWS_MAX && `, the last ${ROWS_MAX} shown`),
      state === 'live' && rateSince.rate >= 1 && el('span', { class: 'fine' }, `${exact(Math.round(rateSince.rate))}/s`),
      el('span', { class: 'push' }),
      !isFollowing && el('button', { type: 'button', class: 'quiet', onclick: () => { isFollowing = true; draw(); } }, 'To the newest ↓'),
      el('button', { type: 'button', class: 'quiet', onclick: () => { clear(); tell(); } }, 'Clear'));
  }

  setFilter(wanted.filter);
  begin();
  const ticking = setInterval(() => { if (state === 'live') tell(); }, 2000);
  return {
    element,
    close() {
      stopper.abort();
      clearTimeout(drawing);
      clearInterval(ticking);
    },
  };
}
