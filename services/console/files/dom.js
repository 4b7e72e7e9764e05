// Elements from parts, and bringing what is shown up to date.
//
// Text goes in as text nodes and as attributes only: there is no way from here to markup, so names, keys and values of
// records may hold whatever they like. The page's policy (Trusted Types) refuses markup from strings everywhere else, too.

const SVG = 'http://www.w3.org/2000/svg';
const HANDLERS = ['onclick', 'onchange', 'oninput', 'onkeydown', 'onsubmit'];

// An element. `of` holds attributes, handlers (`on…`), `key` (which says that two of one list are the same), and `own`:
// what is below is looked after by whoever made it. `null`, `undefined` and `false` are left out, among children too.
export const el = (tag, of = {}, ...children) => fill(document.createElement(tag), of, children);
export const svg = (tag, of = {}, ...children) => fill(document.createElementNS(SVG, tag), of, children);

function fill(element, of, children) {
  for (const [name, value] of Object.entries(of ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'key' || name === 'own' || name === 'value' || HANDLERS.includes(name)) element[name] = value;
    else if (name === 'style') for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...flat(children));
  return element;
}

const flat = (children) =>
  children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);

// Makes the children of `parent` be like `children`, and keeps those that are there: focus, selection, scrolling and what
// is typed survive.
export function show(parent, ...children) {
  const wanted = flat(children).map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
  const keyed = new Map();
  for (const child of parent.childNodes) if (child.key !== undefined) keyed.set(child.key, child);
  let at = parent.firstChild;
  for (const next of wanted) {
    let there = next.key === undefined ? (at && at.key === undefined ? at : null) : keyed.get(next.key);
    if (there && there.nodeName !== next.nodeName) there = null;
    if (!there) {
      parent.insertBefore(next, at);
      continue;
    }
    keyed.delete(there.key);
    if (there === at) at = at.nextSibling;
    else parent.insertBefore(there, at);
    if (there !== next) update(there, next);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function update(there, next) {
  if (there.nodeType === Node.TEXT_NODE) {
    if (there.data !== next.data) there.data = next.data;
    return;
  }
  // What the user has opened stays open.
  const kept = there.nodeName === 'DETAILS' || there.nodeName === 'DIALOG' ? 'open' : '';
  for (const { name } of [...there.attributes]) if (!next.hasAttribute(name) && name !== kept) there.removeAttribute(name);
  for (const { name, value } of next.attributes) {
    if (there.getAttribute(name) === value) continue;
    // A style that is set as an attribute would be inline, which the page's policy refuses.
    if (name === 'style') there.style.cssText = value;
    else there.setAttribute(name, value);
  }
  for (const name of HANDLERS) if (there[name] !== next[name]) there[name] = next[name];
  if (next.value !== undefined && there.value !== next.value && there !== document.activeElement) there.value = next.value;
  if (!there.own) show(there, ...next.childNodes);
}

// Text with control characters and those that turn the direction of writing made visible. A line stays a line, unless it is of
// a block of text.
export const visible = (text, isBlock = false) =>
  text.replace(/[\u0000-\u001f\u007f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, (character) => {
    const code = character.charCodeAt(0);
    if (isBlock && (character === '\n' || character === '\t')) return character;
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? '\u2421' : `\u27e8U+${code.toString(16).toUpperCase().padStart(4, '0')}\u27e9`;
  });

// A button that copies `text()`.
export const copyButton = (text, label = 'Copy') =>
  el('button', { type: 'button', class: 'quiet', 'data-label': label, onclick: (event) => copy(event.currentTarget, text()) }, label);

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Not allowed by the browser';
  }
  setTimeout(() => { button.textContent = button.dataset.label; }, 1500);
}
