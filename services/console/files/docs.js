// The OpenAPI document of this server, as a page.

import { request } from './api.js';
import { copyButton, el, show } from './dom.js';
import { exact } from './format.js';
import { problemBox } from './parts.js';
import { json } from './record.js';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];
const DEPTH_MAX = 8;
const NAMES = { topic: 'orders', partition: '0', group: 'billing' };

const main = document.querySelector('main');
const contents = document.querySelector('#contents');
let components = {};

// `code` and paragraphs are all there is of markup in descriptions.
const inline = (text) => text.split('`').map((part, index) => (index % 2 ? el('code', {}, part) : part));
const prose = (text) => (text ?? '').split(/\n\s*\n/).filter(Boolean).map((paragraph) => el('p', {}, inline(paragraph.replaceAll('\n', ' '))));

const nameOf = (reference) => reference.split('/').pop();
// A schema with what it refers to, whose name is kept.
function resolve(schema) {
  let resolved = schema ?? {};
  for (let depth = 0; resolved.$ref && depth < DEPTH_MAX; depth += 1) {
    const { $ref, ...beside } = resolved;
    resolved = { ...components.schemas?.[nameOf($ref)], name: nameOf($ref), ...beside };
  }
  return resolved;
}

const isNull = (schema) => schema.type === 'null';
const choices = (schema) => (schema.oneOf ?? schema.anyOf ?? []).filter((one) => !isNull(resolve(one)));
const kinds = (schema) => [schema.type ?? []].flat().filter((kind) => kind !== 'null');

// What something is, in words.
function typeOf(given) {
  const schema = resolve(given);
  const options = choices(schema);
  const canBeNull = [schema.type ?? []].flat().includes('null') || (schema.oneOf ?? []).some(isNull);
  let words = kinds(schema).join(' or ') || 'any JSON';
  if (options.length) words = options.map(typeOf).join(' or ');
  else if (schema.items) words = `list of ${typeOf(schema.items)}`;
  else if (schema.enum) words = schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  else if (kinds(schema)[0] === 'object' && typeof schema.additionalProperties === 'object') words = `object of ${typeOf(schema.additionalProperties)}`;
  if (schema.name && !options.length && (schema.properties || !schema.type)) words = schema.name;
  const { minimum, maximum, contentEncoding, format } = schema;
  const range = minimum !== undefined && maximum !== undefined ? `${exact(minimum)} to ${exact(maximum)}` : minimum ? `at least ${exact(minimum)}` : maximum !== undefined ? `at most ${exact(maximum)}` : '';
  return [words, contentEncoding ?? (format === 'date-time' ? 'time' : ''), range, canBeNull && 'or null'].filter(Boolean).join(', ');
}

// The schema that has fields, behind lists, choices and maps.
function inner(given, depth = 0) {
  const schema = resolve(given);
  if (schema.properties || depth > DEPTH_MAX) return schema.properties ? schema : null;
  for (const next of [schema.items, ...choices(schema), ...(schema.allOf ?? []), typeof schema.additionalProperties === 'object' && schema.additionalProperties]) {
    const found = next && inner(next, depth + 1);
    if (found) return found;
  }
  return null;
}

const fieldItem = (name, schema, required, description) => el('li', {},
  el('code', {}, name), el('span', { class: 'type' }, typeOf(schema)), required && el('span', { class: 'needed' }, 'required'),
  prose(description ?? resolve(schema).description), deeper(schema));

// Opened when it is wanted: schemas may hold themselves.
function deeper(schema) {
  const object = inner(schema);
  if (!object) return null;
  const details = el('details', {}, el('summary', {}, `Fields of ${object.name ?? 'it'}`));
  details.ontoggle = () => { if (details.open && details.children.length === 1) details.append(fields(object)); };
  return details;
}

const fields = (object) => el('ul', { class: 'fields' }, Object.entries(object.properties).map(([name, schema]) =>
  fieldItem(name, schema, object.required?.includes(name))));

// What things of that name are called in examples, where a name is what the schema takes.
const named = (name, schema) => (kinds(resolve(schema)).includes('string') ? NAMES[name] : undefined);

// A value that the schema takes.
function example(given, depth = 0, isInput = false) {
  const schema = resolve(given);
  const told = schema.example ?? schema.examples?.[0] ?? schema.default ?? schema.const;
  if (told !== undefined) return told;
  if (schema.enum) return schema.enum[0];
  const options = choices(schema);
  if (depth > DEPTH_MAX) return null;
  if (options.length) return example(options[0], depth + 1, isInput);
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((part) => example(part, depth + 1, isInput)));
  if (schema.properties) {
    // Of what is sent, what is needed; if nothing is, what has no other way to be said.
    const wanted = Object.keys(schema.properties).filter((name) => !isInput || schema.required?.includes(name) || (!schema.required && ['key', 'value'].includes(name)));
    return Object.fromEntries(wanted.map((name) => [name, named(name, schema.properties[name]) ?? example(schema.properties[name], depth + 1, isInput)]));
  }
  switch (kinds(schema)[0]) {
    case 'array': return [example(schema.items, depth + 1, isInput)];
    case 'object': return {};
    case 'integer': case 'number': return schema.minimum ?? 0;
    case 'boolean': return true;
    default: return schema.contentEncoding === 'base64' ? 'aGVsbG8=' : 'hello';
  }
}

const sample = (text, label, isJson = false) => el('div', { class: 'sample' },
  el('pre', { tabindex: '0', 'aria-label': label }, isJson ? json(text) : text), copyButton(() => text));

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function body(content, isInput = false) {
  return Object.entries(content ?? {}).map(([type, { schema, example: told, examples }], index) => {
    const isJson = /json$/.test(type);
    const given = told ?? Object.values(examples ?? {})[0]?.value;
    return el('details', { class: 'media', open: index === 0 }, el('summary', {}, el('code', {}, type)),
      schema && prose(resolve(schema).description),
      schema && inner(schema) ? fields(inner(schema)) : schema && el('p', { class: 'fine' }, typeOf(schema)),
      isJson && schema && sample(pretty(given ?? example(schema, 0, isInput)), 'Example', true));
  });
}

const pretty = (value) => (typeof value === 'string' ? value : JSON.stringify(value));

// Commands that do it: one, and one for each other form of the answer.
function commands(method, address, { parameters = [], requestBody, responses }) {
  const filled = address.replace(/\{(\w+)\}/g, (_, name) => NAMES[name] ?? parameters.find((one) => one.name === name)?.example ?? name);
  const query = parameters.filter((one) => one.in === 'query' && one.required).map((one) => `${one.name}=${encodeURIComponent(example(one.schema))}`);
  const url = new URL(`.${filled}${query.length ? `?${query.join('&')}` : ''}`, document.baseURI).href;
  const words = ['curl', ...(method === 'get' || (method === 'post' && requestBody) ? [] : ['-X', method.toUpperCase()])];
  const [type, { schema, example: told } = {}] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  if (type) words.push('-H', quoted(`content-type: ${type}`), '-d', quoted(pretty(told ?? example(schema, 0, true))));
  const accepted = Object.entries(responses ?? {}).filter(([status]) => status.startsWith('2')).flatMap(([, { content }]) => Object.keys(content ?? {}));
  const lines = [[...words, quoted(url)].join(' ')];
  for (const other of accepted.slice(accepted[0] === 'text/event-stream' || accepted[0] === 'application/x-ndjson' ? 0 : 1)) {
    const isBinary = !/json|text/.test(other);
    lines.push([...words, ...(other === 'text/event-stream' ? ['-N'] : []), '-H', quoted(`accept: ${other}`), quoted(url), ...(isBinary ? ['-o', 'records.bin'] : [])].join(' '));
  }
  return lines.join('\n');
}

// It may be broken before each of its parts.
const shownPath = (address) => el('span', { class: 'path' }, address.split(/(\{\w+\}|\/)/).map((part) =>
  (part === '/' ? [el('wbr'), '/'] : part.startsWith('{') ? el('i', {}, part) : part)));

function operationView({ method, address, id, operation, shared }) {
  const parameters = [...shared, ...(operation.parameters ?? [])].map((one) => (one.$ref ? components.parameters?.[nameOf(one.$ref)] ?? one : one));
  const places = { path: 'In the path', query: 'In the query', header: 'Headers' };
  return el('section', { class: 'operation', id, 'aria-labelledby': `${id}-title` },
    el('h3', { id: `${id}-title` }, (operation.summary ?? id).replace(/\.$/, '')),
    el('div', { class: 'address' }, el('span', { class: `method ${method}` }, method.toUpperCase()), shownPath(address), operation.deprecated && el('span', { class: 'needed' }, 'deprecated')),
    prose(operation.description),
    sample(commands(method, address, { ...operation, parameters }), 'Command'),
    Object.entries(places).map(([place, title]) => {
      const own = parameters.filter((one) => one.in === place);
      return own.length > 0 && [el('h4', {}, title), el('ul', { class: 'fields' }, own.map((one) => fieldItem(one.name, one.schema, one.required, one.description)))];
    }),
    operation.requestBody && [el('h4', {}, 'Body'), prose(operation.requestBody.description), body(operation.requestBody.content, true)],
    el('h4', {}, 'Answers'),
    el('ul', { class: 'fields' }, Object.entries(operation.responses ?? {}).map(([status, answer]) => el('li', {},
      el('span', { class: 'status' }, status), inline(answer.description ?? ''),
      answer.headers && el('ul', { class: 'fields' }, Object.entries(answer.headers).map(([name, header]) => fieldItem(name, header.schema ?? {}, false, header.description))),
      Object.keys(answer.content ?? {}).length > 0 && el('details', {}, el('summary', {}, Object.keys(answer.content).join(', ')), body(answer.content))))));
}

function render(document_) {
  components = document_.components ?? {};
  const operations = Object.entries(document_.paths ?? {}).flatMap(([address, item]) =>
    METHODS.filter((method) => item[method]).map((method) => {
      const operation = item[method];
      return { method, address, operation, shared: item.parameters ?? [], tag: operation.tags?.[0] ?? 'other', id: operation.operationId ?? `${method}-${address}` };
    }));
  const tags = [...new Map([...(document_.tags ?? []).map((tag) => [tag.name, tag]), ...operations.map(({ tag }) => [tag, (document_.tags ?? []).find((one) => one.name === tag) ?? { name: tag }])]).values()];
  const title = (name) => name[0].toUpperCase() + name.slice(1);
  const listed = (search) => tags.map((tag) => {
    const found = operations.filter((one) => one.tag === tag.name && `${one.method} ${one.address} ${one.operation.summary} ${one.id}`.toLowerCase().includes(search.toLowerCase()));
    return found.length > 0 && [el('h2', {}, title(tag.name)), el('ul', {}, found.map((one) =>
      el('li', {}, el('a', { href: `docs#${one.id}`, title: one.operation.summary }, el('span', { class: `method ${one.method}` }, one.method === 'delete' ? 'DEL' : one.method.toUpperCase()), shownPath(one.address)))))];
  });
  const list = el('div', {}, listed(''));
  contents.replaceChildren(
    el('input', { type: 'search', placeholder: 'Search', 'aria-label': 'Search operations', oninput: (event) => show(list, listed(event.target.value)) }), list);
  main.replaceChildren(
    el('h1', {}, `${document_.info.title} API `, el('span', { class: 'fine' }, document_.info.version)),
    ...prose(document_.info.description),
    el('p', { class: 'fine' }, 'The document itself: ', el('a', { href: 'openapi.json' }, 'openapi.json'), ` (OpenAPI ${document_.openapi})`),
    ...tags.flatMap((tag) => {
      const own = operations.filter((one) => one.tag === tag.name);
      return own.length ? [el('h2', { class: 'tag-head' }, title(tag.name)), el('p', {}, tag.description ?? ''), ...own.map(operationView)] : [];
    }));
  // What the address names is there only now.
  document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

try {
  render(await request('openapi.json'));
} catch (problem) {
  main.replaceChildren(problemBox(problem));
}
