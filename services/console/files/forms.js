// What can be done from the page: create a topic, append a record.

import { path, request } from './api.js';
import { el, show } from './dom.js';
import { problemBox } from './parts.js';

const field = (label, input, hint) => {
  const id = `field-${input.name}`;
  input.id = id;
  if (hint) input.setAttribute('aria-describedby', `${id}-hint`);
  return el('div', { class: 'field' }, el('label', { for: id }, label), input, hint && el('small', { id: `${id}-hint` }, hint));
};

// A dialog with a form. `submit(values)` returns what to show of its success.
function dialog(title, action, fields, submit) {
  const told = el('div', { role: 'status' });
  const button = el('button', { class: 'main' }, action);
  const form = el('form', {
    onsubmit: async (event) => {
      event.preventDefault();
      button.disabled = true;
      show(told);
      try {
        show(told, await submit(Object.fromEntries(new FormData(form))));
      } catch (problem) {
        show(told, problemBox(problem));
      }
      button.disabled = false;
    },
  }, fields, told, el('div', { class: 'bar' }, el('button', { type: 'button', class: 'quiet', onclick: () => window.close() }, 'Close'), button));
  const window = el('dialog', { 'aria-label': title }, el('h2', {}, title), form);
  window.addEventListener('close', () => window.remove());
  window.addEventListener('click', (event) => { if (event.target === window) window.close(); });
  document.body.append(window);
  window.showModal();
  return window;
}

// A dialog is of the page that it was opened on: with another one behind it, also by Back, it would say what is not so.
export function closeDialogs() {
  for (const open of document.querySelectorAll('dialog[open]')) open.close();
}

// `name: value` on lines of their own; names may be there more than once.
const pairs = (text, between) =>
  text.split('\n').filter((line) => line.trim()).map((line) => {
    const at = line.indexOf(between);
    return at < 0 ? [line.trim(), null] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  });

export function createTopic(open) {
  const window = dialog('Create a topic', 'Create', [
    field('Name', el('input', { name: 'name', required: true, maxlength: 249, autocomplete: 'off', spellcheck: 'false' }), 'Letters, digits, dot, underscore and dash.'),
    field('Partitions', el('input', { name: 'partitions', type: 'number', min: 1, max: 100_000, placeholder: 'the server’s default' })),
    field('Settings', el('textarea', { name: 'configs', rows: 3, spellcheck: 'false', placeholder: 'retention.ms = 604800000' }), 'One a line, by Kafka’s names.'),
  ], async ({ name, partitions, configs }) => {
    const body = { name };
    if (partitions) body.partitions = Number(partitions);
    if (configs.trim()) body.configs = Object.fromEntries(pairs(configs, '=').map(([key, value]) => [key, value ?? '']));
    const created = await request('v1/topics', { method: 'POST', body });
    // Whoever has left meanwhile is not taken away from where they are now.
    if (!window.open) return;
    window.close();
    open(`#/topics/${encodeURIComponent(created.name)}`);
  });
}

export function appendRecord(topic, open) {
  dialog(`Append to ${topic.name}`, 'Append', [
    field('Key', el('input', { name: 'key', autocomplete: 'off', spellcheck: 'false' }), 'Records of one key go to one partition. Empty: no key.'),
    field('Value', el('textarea', { name: 'value', rows: 6, spellcheck: 'false' })),
    field('Headers', el('textarea', { name: 'headers', rows: 2, spellcheck: 'false', placeholder: 'trace: abc' }), 'One a line.'),
    field('Partition', el('input', { name: 'partition', type: 'number', min: 0, max: topic.partition_count - 1, placeholder: 'as the key says' })),
    el('label', { class: 'check' }, el('input', { type: 'checkbox', name: 'is_null' }), ' No value at all (null)'),
  ], async ({ key, value, headers, partition, is_null: isNull }) => {
    const record = { value: isNull ? null : value.replaceAll('\r\n', '\n') };
    if (key) record.key = key;
    if (partition) record.partition = Number(partition);
    if (headers.trim()) record.headers = pairs(headers, ':').map(([name, text]) => ({ name, value: text }));
    const { records } = await request(path('topics', topic.name, 'records'), { method: 'POST', body: { records: [record] } });
    const [place] = records;
    return el('p', { class: 'stored' }, `Stored in partition ${place.partition} at offset ${place.offset}. `,
      el('a', { href: `#/topics/${encodeURIComponent(topic.name)}/records?from=offset&at=${place.offset}&partition=${place.partition}`, onclick: (event) => event.target.closest('dialog').close() }, 'Look at it'));
  });
}
