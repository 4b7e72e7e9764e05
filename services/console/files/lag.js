// Which groups read a topic, and how far they are. The API knows groups, not the readers of a topic, and there may be thousands:
// so groups are looked at in turn, a part of them each time, and what is not known yet is said.

import { path, request } from './api.js';
import { each, wholeList } from './parts.js';

// At a time; the others come next time.
const LOOKED_AT_MAX = 200;
// Of these what is shown, so that there is room for others; less of it as long as there are some of which nothing is known.
const WANTED_MAX = 150;
const WANTED_FIRST_MAX = 50;
const GROUPS_MAX = 10_000;
const OFFSETS_MAX = 20_000;
// A group that is not shown is looked at again after this long, and so is the list of groups.
const LOOK_MS = 60_000;

export const groupList = (signal) => wholeList(request, 'v1/groups?limit=1000', 'groups', GROUPS_MAX, signal);

export async function offsetsOf(group, signal, topic) {
  const only = topic === undefined ? '' : `&topic=${encodeURIComponent(topic)}`;
  return (await wholeList(request, `${path('groups', group, 'offsets')}?limit=1000${only}`, 'offsets', OFFSETS_MAX, signal)).rows;
}

// The lag of many offsets. Null where nothing is known.
export function lagOf(offsets) {
  const known = offsets.filter((one) => one.lag !== undefined && one.lag !== null);
  return known.length ? known.reduce((sum, one) => sum + BigInt(one.lag), 0n) : null;
}

// What is known of groups, from looks at them. `topic` leaves out offsets of others.
export function groupLooks(topic) {
  const looks = new Map(); // group → { at, offsets }
  const since = (group) => looks.get(group)?.at ?? -Infinity;
  const oldestFirst = (groups) => [...groups].sort((a, b) => (since(a) < since(b) ? -1 : since(a) > since(b) ? 1 : 0));
  return {
    of: (group) => looks.get(group),
    known: () => looks.size,
    // Looks at what is `wanted` now, and with what is left of the bound at what of `all` was not looked at for a minute.
    async refresh(all, wanted, signal) {
      const now = performance.now();
      const there = new Set(all);
      for (const group of looks.keys()) if (!there.has(group)) looks.delete(group);
      const soon = oldestFirst(wanted).slice(0, looks.size < all.length ? WANTED_FIRST_MAX : WANTED_MAX);
      const among = new Set(soon);
      const others = oldestFirst(all.filter((group) => !among.has(group) && now - since(group) > LOOK_MS));
      await each([...soon, ...others].slice(0, LOOKED_AT_MAX), async (group) => {
        const offsets = await offsetsOf(group, signal, topic).catch((problem) => {
          // Deleted meanwhile.
          if (problem.status === 404) return [];
          throw problem;
        });
        looks.set(group, { at: now, offsets });
      });
    },
  };
}

let last = null; // what was looked at last; a change of tabs begins nothing anew

// Who reads `topic`, as a function that looks: `readers` by name, and how many groups were `known` of `all` by then.
// `age_s` is the oldest of what is told.
export function readersOf(topic) {
  if (last?.topic !== topic) last = { topic, look: looksForReaders(topic) };
  return last.look;
}

function looksForReaders(topic) {
  const looks = groupLooks(topic);
  let groups = [];
  let isWhole = true;
  let listedAt = -Infinity;
  return async (signal) => {
    if (performance.now() - listedAt > LOOK_MS) {
      const list = await groupList(signal);
      [groups, isWhole, listedAt] = [list.rows.map((row) => row.group), list.isWhole, performance.now()];
    }
    const isReader = (group) => looks.of(group)?.offsets.length > 0;
    await looks.refresh(groups, groups.filter(isReader), signal);
    const readers = new Map(groups.filter(isReader).sort().map((group) => [group, looks.of(group).offsets]));
    const now = performance.now();
    const oldest = groups.filter(isReader).reduce((least, group) => Math.min(least, looks.of(group).at), now);
    return { readers, known: looks.known(), all: groups.length, isWhole, age_s: (now - oldest) / 1000 };
  };
}
