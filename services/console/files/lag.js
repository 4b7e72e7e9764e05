// Which groups read a topic, and how far they are. The API knows groups, not the readers of a topic, so the groups are
// looked through once a minute, and those that read the topic each time.

import { path, request } from './api.js';
import { each, wholeList } from './parts.js';

export const GROUPS_LOOKED_AT_MAX = 200;
const OFFSETS_MAX = 20_000;
const LOOK_MS = 60_000;

export const groupList = (signal) => wholeList(request, 'v1/groups?limit=1000', 'groups', 10_000, signal);

export async function offsetsOf(group, signal, topic) {
  const only = topic === undefined ? '' : `&topic=${encodeURIComponent(topic)}`;
  return (await wholeList(request, `${path('groups', group, 'offsets')}?limit=1000${only}`, 'offsets', OFFSETS_MAX, signal)).rows;
}

// The lag of many offsets. Null where nothing is known.
export function lagOf(offsets) {
  const known = offsets.filter((one) => one.lag !== undefined && one.lag !== null);
  return known.length ? known.reduce((sum, one) => sum + BigInt(one.lag), 0n) : null;
}

export function readersOf(topic) {
  let readers = new Map();
  let lookedAt = -Infinity;
  let missed = 0;
  return async (signal) => {
    let names = [...readers.keys()];
    if (performance.now() - lookedAt > LOOK_MS) {
      const { rows } = await groupList(signal);
      missed = Math.max(0, rows.length - GROUPS_LOOKED_AT_MAX);
      names = rows.slice(0, GROUPS_LOOKED_AT_MAX).map((group) => group.group);
      lookedAt = performance.now();
    }
    const found = new Map();
    await each(names, async (group) => {
      const own = await offsetsOf(group, signal, topic).catch((problem) => {
        // Deleted meanwhile.
        if (problem.status === 404) return [];
        throw problem;
      });
      if (own.length) found.set(group, own);
    });
    readers = new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
    return { readers, missed };
  };
}
