// How fast counters grow, computed from one look to the next, and small drawings of it.

import { el, svg } from './dom.js';

const WINDOW_MS = 120_000;
const POINTS_MAX = 120;
const COUNTERS_MAX = 60_000;
// Looks that are closer together say little.
const STEP_MS_MIN = 400;

const counters = new Map();

function counterOf(key) {
  const counter = counters.get(key) ?? { value: null, at: 0, rate: null, points: [] };
  // The one that was looked at longest ago goes first.
  counters.delete(key);
  counters.set(key, counter);
  if (counters.size > COUNTERS_MAX) counters.delete(counters.keys().next().value);
  return counter;
}

function draw(counter, from, at) {
  counter.points.push({ from, at, rate: counter.rate });
  while (counter.points.length > POINTS_MAX || counter.points[0].at < at - WINDOW_MS) counter.points.shift();
}

// Tells what a counter is now; returns how much it grows in a second, or null when that is not known. A counter that went
// back was begun anew (a restart, records deleted), so nothing is known: a rate is never negative. With `drawn` it is kept
// for drawings.
export function observe(key, value, drawn = true) {
  const now = performance.now();
  const counter = counterOf(key);
  const { value: before, at } = counter;
  if (before !== null && value >= before && now - at < STEP_MS_MIN) return counter.rate;
  counter.rate = before === null || value < before ? null : (Number(value - before) * 1000) / (now - at);
  [counter.value, counter.at] = [value, now];
  if (drawn) draw(counter, at || now, now);
  return counter.rate;
}

// A number as it is, drawn like a rate.
export function gauge(key, value) {
  const now = performance.now();
  const counter = counterOf(key);
  const from = counter.at || now;
  [counter.rate, counter.at] = [Number(value), now];
  draw(counter, from, now);
}

// What `observe` returned last.
export const rateOf = (key) => counters.get(key)?.rate ?? null;

const pointsOf = (key) => counters.get(key)?.points ?? [];
const highest = (...keys) => Math.max(0, ...keys.flatMap((key) => pointsOf(key).map((point) => point.rate ?? 0)));

// The outline of a rate's area in a box of `width` and `height` whose floor is at `floor` and whose waves go towards `up`
// (-1: up, 1: down).
function outline(key, width, height, floor, up, top) {
  const now = performance.now();
  const x = (at) => Math.max(0, width - ((now - at) / WINDOW_MS) * width).toFixed(1);
  const y = (rate) => (floor + up * (top ? (rate / top) * height : 0)).toFixed(1);
  let area = '';
  let last = null;
  for (const point of pointsOf(key)) {
    if (point.rate === null) {
      if (last) area += `L${x(last.at)},${floor}`;
      last = null;
      continue;
    }
    area += last ? '' : `M${x(point.from)},${floor}L${x(point.from)},${y(point.rate)}`;
    area += `L${x(point.at)},${y(point.rate)}`;
    last = point;
  }
  return last ? `${area}L${x(last.at)},${floor}` : area;
}

// The last two minutes of a rate.
export function spark(key, width = 72, height = 18) {
  const top = highest(key);
  return svg('svg', { class: 'spark', viewBox: `0 0 ${width} ${height}`, width, height, 'aria-hidden': 'true' },
    svg('path', { class: 'floor', d: `M0,${height - 0.5}H${width}` }),
    top > 0 && svg('path', { class: 'wave', d: outline(key, width, height - 2, height - 0.5, -1, top) }));
}

// What comes in above the water line, what goes out below it, both in the same measure.
export function tide(inKey, outKey, label) {
  const [width, height] = [720, 96];
  const [above, below] = [highest(inKey), highest(outKey)];
  const whole = above + below || 1;
  const room = height - 8;
  const line = Math.round(4 + (above + below > 0 ? above / whole : 1) * room);
  const area = (name, key, up) => svg('path', { class: name, d: outline(key, width, room, line, up, whole) });
  return el('div', { class: 'tide', role: 'img', 'aria-label': label },
    svg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      area('in', inKey, -1), area('out', outKey, 1), svg('path', { class: 'floor', d: `M0,${line}H${width}` })));
}

// A part of a whole.
export const meter = (part, whole, label) =>
  el('span', { class: 'meter', role: 'img', 'aria-label': label },
    el('span', { style: { width: `${whole > 0 ? Math.min(100, (100 * part) / whole).toFixed(2) : 0}%` } }));
