// What comes in and goes out at all doors of the node, from its metrics.

import { request } from './api.js';
import { el } from './dom.js';
import { brief, bytes, rate } from './format.js';
import { observe, rateOf, tide } from './rates.js';

// Counters by the names of /metrics.
const COUNTERS = {
  'records in': 'tidelog_ingest_records_total',
  'bytes in': 'tidelog_ingest_record_bytes_total',
  'bytes out': 'tidelog_fetch_bytes_total',
};

let isThere = true;

// Looks at the counters. A node that has no metrics is asked once.
export async function lookAtTraffic(signal) {
  if (!isThere) return;
  let text;
  try {
    text = await request('metrics', { signal, accept: 'text/plain' });
  } catch (problem) {
    if (problem.status === 404) isThere = false;
    return;
  }
  for (const [key, name] of Object.entries(COUNTERS)) {
    const found = text.match(new RegExp(`^${name}(?:\\{\\})? (\\S+)$`, 'm'));
    if (found) observe(key, Number(found[1]));
  }
}

// The last two minutes of it.
export function traffic() {
  if (!isThere) return null;
  const [written, read, records] = [rateOf('bytes in'), rateOf('bytes out'), rateOf('records in')];
  const side = (name, word, size, more) => el('div', { class: name }, el('span', {}, word), el('b', {}, rate(size, bytes)), el('span', { class: 'fine' }, more));
  return el('figure', { class: 'traffic' },
    el('figcaption', {}, side('in', 'In', written, records === null ? '' : `${brief(records)} records/s`), side('out', 'Out', read, '')),
    tide('bytes in', 'bytes out', `In ${rate(written, bytes)}, out ${rate(read, bytes)}`));
}
