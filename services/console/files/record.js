// A record as a line, and opened. Values are shown as what they are: JSON is set out without a number or an escape of it
// being changed, bytes as hexadecimal.

import { copyButton, el, visible } from './dom.js';
import { bytes, clock, exact, iso } from './format.js';

// Of a value that is opened; what is copied is whole.
const SHOWN_MAX = 64 * 1024;
const LINE_MAX = 400;
const HEX_BYTES_MAX = 4096;

export const keyOf = (record) => `${record.partition}:${record.offset}`;

// What a piece of a record holds: { text } or { base64 }, or {} when it is null.
function piece(of, name) {
  if (of[`${name}_base64`] !== undefined) return { base64: of[`${name}_base64`] };
  return typeof of[name] === 'string' ? { text: of[name] } : {};
}

// What a filter looks at.
export const searched = (record) =>
  [record.key, record.value, ...(record.headers ?? []).flatMap((header) => [header.name, header.value])]
    .filter((text) => typeof text === 'string').join('\n');

// About how much memory it takes, in characters.
export const weight = (record) => 200 + searched(record).length + (record.value_base64?.length ?? 0) + (record.key_base64?.length ?? 0);

// `format()` is how values are wanted; `opens` hears that somebody looks at it.
export function line(record, format, opens) {
  const headers = record.headers?.length ?? 0;
  const item = el('details', { class: 'record', 'data-key': keyOf(record) },
    el('summary', {},
      el('time', { datetime: iso(record.timestamp) }, clock(record.timestamp)),
      el('span', { class: 'place' }, `${record.partition}:${record.offset}`),
      el('bdi', { class: 'key' }, oneLine(piece(record, 'key'), '')),
      el('bdi', { class: 'text' }, oneLine(piece(record, 'value'), 'null')),
      headers > 0 && el('span', { class: 'tag' }, `${headers} h`)));
  item.ontoggle = () => {
    const inside = item.querySelector('.inside');
    if (!item.open) inside?.remove();
    else if (!inside) {
      item.append(opened(record, format()));
      opens();
    }
  };
  return item;
}

const oneLine = ({ text, base64 }, absent) => {
  if (text !== undefined) return visible(text.length > LINE_MAX ? `${text.slice(0, LINE_MAX)}…` : text);
  return base64 === undefined ? el('i', {}, absent) : el('i', {}, `${bytes(sizeOf({ base64 }))} that are no text`);
};

const bytesOf = ({ text, base64 }) =>
  (text === undefined ? Uint8Array.from(atob(base64 ?? ''), (character) => character.charCodeAt(0)) : new TextEncoder().encode(text));
const sizeOf = (of) => bytesOf(of).length;
const isNull = (of) => of.text === undefined && of.base64 === undefined;

function opened(record, format) {
  const [key, value] = [piece(record, 'key'), piece(record, 'value')];
  const fact = (name, ...what) => [el('dt', {}, name), el('dd', {}, what)];
  return el('div', { class: 'inside' },
    el('dl', { class: 'facts' },
      fact('Partition', exact(record.partition)),
      fact('Offset', String(record.offset)),
      fact('Timestamp', iso(record.timestamp), el('span', { class: 'fine' }, ` ${record.timestamp}`)),
      fact('Key', isNull(key) ? el('i', {}, 'none') : el('bdi', { class: 'mono' }, visible(key.text ?? key.base64)),
        key.base64 !== undefined && el('span', { class: 'fine' }, ' base64')),
      (record.headers ?? []).map((header) => {
        const [name, held] = [piece(header, 'name'), piece(header, 'value')];
        return fact(['Header ', el('bdi', { class: 'mono' }, visible(name.text ?? name.base64 ?? ''))],
          isNull(held) ? el('i', {}, 'null') : el('bdi', { class: 'mono' }, visible(held.text ?? held.base64)));
      }),
      fact('Value', isNull(value) ? el('i', {}, 'null') : [bytes(sizeOf(value)), ' ', copyButton(() => value.text ?? value.base64, value.base64 === undefined ? 'Copy' : 'Copy as base64')])),
    !isNull(value) && el('pre', { tabindex: '0', 'aria-label': 'Value' }, shownAs(value, format)));
}

function shownAs(value, format) {
  if (format === 'hex' || (format === 'auto' && value.base64 !== undefined)) return hex(bytesOf(value));
  if (format === 'base64') return cut(value.base64 ?? base64Of(bytesOf(value)));
  const text = value.text ?? '';
  return format === 'auto' && isJson(text) ? json(text) : cut(value.base64 ?? text);
}

const cut = (text) => (text.length > SHOWN_MAX ? `${visible(text.slice(0, SHOWN_MAX), true)}\n… ${exact(text.length - SHOWN_MAX)} more characters; Copy has all` : visible(text, true));

function base64Of(array) {
  let binary = '';
  for (let at = 0; at < array.length; at += 8192) binary += String.fromCharCode(...array.subarray(at, at + 8192));
  return btoa(binary);
}

function hex(array) {
  const lines = [];
  for (let at = 0; at < Math.min(array.length, HEX_BYTES_MAX); at += 16) {
    const row = [...array.subarray(at, at + 16)];
    const digits = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·')).join('');
    lines.push(`${at.toString(16).padStart(6, '0')}  ${digits.padEnd(48)} ${text}`);
  }
  if (array.length > HEX_BYTES_MAX) lines.push(`… ${exact(array.length - HEX_BYTES_MAX)} more bytes`);
  return lines.join('\n');
}

function isJson(text) {
  if (text.length > SHOWN_MAX || !/^\s*[{[]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

// Sets out JSON by its tokens, which are shown as they were written: a parser would round 9007199254740993.
export function json(text) {
  const out = [];
  let depth = 0;
  let isOpen = false;
  const fresh = () => out.push(`\n${'  '.repeat(depth)}`);
  const tokens = text.match(/"(?:\\.|[^"\\])*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  tokens.forEach((token, index) => {
    if (token === '}' || token === ']') {
      depth -= 1;
      if (!isOpen) fresh();
      isOpen = false;
      out.push(token);
      return;
    }
    if (isOpen) fresh();
    isOpen = token === '{' || token === '[';
    if (isOpen) depth += 1;
    if (token === ',') {
      out.push(token);
      fresh();
    } else if (token === ':') out.push(': ');
    else if (isOpen) out.push(token);
    else out.push(el('span', { class: token[0] !== '"' ? 'literal' : tokens[index + 1] === ':' ? 'member' : 'string' }, visible(token)));
  });
  return out;
}
