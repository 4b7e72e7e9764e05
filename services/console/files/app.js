// The page: what is chosen, what is asked for how often, and the frame around the views.

import { poll, request } from './api.js';
import { clusterView } from './cluster.js';
import { el, show } from './dom.js';
import { closeDialogs } from './forms.js';
import { duration } from './format.js';
import { groupView, groupsView } from './groups.js';
import { problemBox } from './parts.js';
import { topicView } from './topic.js';
import { topicsView } from './topics.js';
import { lookAtTraffic, traffic } from './traffic.js';

const STATUS_MS = 2000;
const main = document.querySelector('main');
const health = document.querySelector('#health');

const shared = { status: null, problem: null, open: (hash) => { location.hash = hash; } };
let view = null;
let poller = null;
let data = null;
let problem = null;

// `#/topics/orders/records?from=latest`
function routeOf(hash) {
  const [where, query = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  const parts = where.split('/').map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  const route = { parts, query: new URLSearchParams(query) };
  route.replace = () => {
    const text = route.query.toString();
    history.replaceState(null, '', `#/${where}${text && `?${text}`}`);
  };
  return route;
}

function chosen(route) {
  const given = { route, shared, redraw: draw, reload: () => poller?.now() };
  const [place = '', name] = route.parts;
  if (place === 'topics' && name) return topicView(given);
  if (place === 'groups') return name === undefined ? groupsView(given) : groupView(given);
  return place === 'cluster' ? clusterView(given) : topicsView(given);
}

function choose() {
  const route = routeOf(location.hash);
  poller?.stop();
  view?.close?.();
  closeDialogs();
  [data, problem] = [null, null];
  view = chosen(route);
  document.title = `${view.title} · Tidelog`;
  for (const link of document.querySelectorAll('header nav a')) {
    const is = link.hash.slice(2) === (route.parts[0] || 'topics');
    is ? link.setAttribute('aria-current', 'page') : link.removeAttribute('aria-current');
  }
  main.replaceChildren();
  draw();
  poller = poll(view.load, (news, wrong) => {
    [data, problem] = [news ?? data, wrong];
    draw();
  }, view.every);
}

const showsTraffic = () => view.isFront || view.isCluster;

function draw() {
  show(main, problem && problemBox(problem), view.isFront && traffic(), problem && !data ? null : view.render(data));
}

function drawHealth() {
  const { status, problem: wrong } = shared;
  const refuses = status?.appends?.accepted === false;
  const [word, good] = wrong && wrong.status !== 404 ? ['not reachable', 'bad'] : refuses ? ['takes no appends', 'bad'] : status ? ['ready', 'good'] : ['', 'idle'];
  show(health,
    el('span', { class: word && `state ${good}`, role: 'status', title: refuses ? status.appends.why : null }, word),
    status && el('span', { class: 'fine wide' }, `${status.version}, up ${duration(status.uptime_s)}`));
}

async function look(signal) {
  if (showsTraffic()) await lookAtTraffic(signal);
  return request('v1/status', { signal });
}

document.addEventListener('keydown', (event) => {
  const isTyping = event.target.closest?.('input, textarea, select, dialog');
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const meant = document.querySelector(`main [aria-keyshortcuts="${CSS.escape(event.key)}"]`);
  if (!meant) return;
  event.preventDefault();
  meant.nodeName === 'BUTTON' ? meant.click() : meant.focus();
});

// The hash is where the page is, so it cannot name an element.
document.querySelector('.skip').onclick = (event) => {
  event.preventDefault();
  main.focus();
};
window.addEventListener('hashchange', choose);
choose();

poll(look, (status, wrong) => {
  shared.problem = wrong;
  shared.status = status ?? shared.status;
  drawHealth();
  if (showsTraffic()) draw();
}, STATUS_MS);
