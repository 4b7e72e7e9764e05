// Parts that several views are made of.

import { copyButton, el, visible } from './dom.js';
import { exact } from './format.js';

// A problem in the API's own words.
export const problemBox = (problem) =>
  problem && el('div', { class: 'problem', role: 'alert' },
    el('strong', {}, problem.title ?? 'Something went wrong in this page'),
    el('p', {}, visible(problem.detail || problem.message || '')),
    problem.may_have_happened && el('p', {}, 'It may have happened all the same: look before you try again.'),
    el('p', { class: 'fine' },
      problem.code && el('code', {}, visible(problem.code)),
      problem.request_id && ['request ', el('code', {}, visible(problem.request_id)), copyButton(() => problem.request_id)]));

// A table. Columns: { name, cell(row), of?: class, sort?: key, isDrawn? }: what is drawn has a name that is only heard. `sorted` is a key, with - in front when descending.
export function table({ caption, columns, rows, key, sorted, onSort, empty }) {
  const head = (column) => {
    const is = sorted?.replace(/^-/, '') === column.sort && column.sort;
    const order = is ? (sorted.startsWith('-') ? 'descending' : 'ascending') : column.sort && onSort ? 'none' : null;
    const turn = () => onSort(is ? (sorted.startsWith('-') ? column.sort : `-${column.sort}`) : `${column.falls ? '-' : ''}${column.sort}`);
    return el('th', { scope: 'col', class: column.of, 'aria-sort': order },
      column.sort && onSort ? el('button', { type: 'button', onclick: turn }, column.name)
        : column.isDrawn ? el('span', { class: 'unseen' }, column.name) : column.name);
  };
  if (!rows.length) return el('p', { class: 'empty' }, empty);
  return el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    el('table', {},
      el('caption', { class: 'unseen' }, caption),
      el('thead', {}, el('tr', {}, columns.map(head))),
      el('tbody', {}, rows.map((row) =>
        el('tr', { key: key(row) }, columns.map((column, index) =>
          el(index ? 'td' : 'th', { scope: index ? null : 'row', class: column.of }, column.cell(row))))))));
}

// Compares by `value(row)`, numbers and text, and by `name(row)` where that is the same.
export function sortBy(rows, sorted, value, name) {
  const sign = sorted.startsWith('-') ? -1 : 1;
  const by = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  return rows.sort((a, b) => sign * by(value(a), value(b)) || by(name(a), name(b)));
}

// Which part of a long list is shown.
export function pager(page, pageSize, count, go) {
  const last = Math.max(0, Math.ceil(count / pageSize) - 1);
  if (!last) return null;
  const step = (text, to, label) =>
    el('button', { type: 'button', disabled: to < 0 || to > last, onclick: () => go(to), 'aria-label': label }, text);
  return el('nav', { class: 'pager', 'aria-label': 'Pages' },
    step('‹', page - 1, 'Previous page'),
    el('span', {}, `${exact(page * pageSize + 1)}–${exact(Math.min(count, (page + 1) * pageSize))} of ${exact(count)}`),
    step('›', page + 1, 'Next page'));
}

// A number with its name under it.
export const figure = (name, value, ...more) =>
  el('div', { class: 'figure' }, el('dt', {}, name), el('dd', {}, value, ...more));

export const figures = (...all) => el('dl', { class: 'figures' }, all);

// A state, such as `PreparingRebalance`, in words, with a colour that helps.
export const state = (word, good) => el('span', { class: `state ${good}` }, visible(word.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase()));

export const loading = () => el('p', { class: 'empty', 'aria-busy': 'true' }, 'Loading …');

// Runs `work` for each of `items`, six at a time.
export async function each(items, work) {
  const queue = [...items];
  const worker = async () => { while (queue.length) await work(queue.shift()); };
  await Promise.all(Array.from({ length: Math.min(6, queue.length) }, worker));
}

// All pages of a list: `field` of each answer, going on after `next`.
export async function wholeList(request, address, field, rowsMax, signal) {
  const rows = [];
  let after = null;
  do {
    const page = await request(after === null ? address : `${address}&after=${encodeURIComponent(after)}`, { signal });
    rows.push(...page[field]);
    after = page.next ?? null;
  } while (after !== null && rows.length < rowsMax);
  return { rows, isWhole: after === null };
}
