// The cluster: nodes, Raft, where bytes are, the cache.

import { el } from './dom.js';
import { bytes, duration, exact, plural, rate } from './format.js';
import { figure, figures, loading, problemBox, state, table } from './parts.js';
import { meter, observe, rateOf, spark } from './rates.js';
import { traffic } from './traffic.js';

const STAGES = { inline: 'In the catalog', objects: 'In the store' };

export function clusterView({ shared }) {
  const part = (title, ...inside) => el('section', { class: 'part-of' }, el('h2', {}, title), inside);
  const known = (value, as = exact) => (value === undefined || value === null ? '–' : as(value));

  function render() {
    const { status, problem } = shared;
    if (!status) return problem?.status === 404
      ? el('p', { class: 'empty' }, 'This node does not tell of itself: it is older than this page.') : problem ? null : loading();
    const { raft = {}, storage = {}, cache = {}, connections = {}, nodes = [] } = status;
    const stages = storage.stages ?? [];
    const stored = stages.reduce((sum, stage) => sum + stage.bytes, 0);
    const asked = (cache.hits ?? 0) + (cache.misses ?? 0);
    observe('cache hits', cache.hits ?? 0);
    return [
      el('div', { class: 'bar' }, el('h1', {}, 'Cluster'), el('code', { class: 'fine' }, status.cluster_id)),
      status.appends?.accepted === false && problemBox({ title: 'No appends are taken', detail: status.appends.why ?? '' }),
      figures(
        figure('Topics', exact(status.topics ?? 0)),
        figure('Partitions', exact(status.partitions ?? 0)),
        figure('Groups', exact(status.groups ?? 0)),
        figure('Stored', bytes(stored)),
        figure('Kafka connections', known(connections.kafka)),
        figure('HTTP connections', known(connections.http))),
      traffic(),
      part('Nodes', table({
        caption: 'Nodes', rows: nodes, key: (row) => row.node_id, empty: 'No node is told.',
        columns: [
          { name: 'Node', of: 'number first', cell: (row) => String(row.node_id) },
          { name: 'State', of: 'word', cell: (row) => state(row.state, row.state === 'serving' ? 'good' : 'warn') },
          { name: 'Zone', of: 'mono', cell: (row) => row.zone || '–' },
          { name: 'Kafka', of: 'mono', cell: (row) => row.kafka || '–' },
          { name: 'HTTP', of: 'mono', cell: (row) => row.http || '–' },
          { name: 'Up for', of: 'word wide', cell: (row) => known(row.uptime_s, duration) },
        ],
      })),
      el('div', { class: 'side-by-side' },
        part('Storage',
          el('p', { class: 'fine' }, el('bdi', { class: 'mono' }, storage.store ?? '')),
          stored > 0 && el('div', { class: 'stages', role: 'img', 'aria-label': stages.map((stage) => `${STAGES[stage.stage] ?? stage.stage}: ${bytes(stage.bytes)}`).join(', ') },
            stages.map((stage, index) => el('span', { class: `hue${index}`, style: { width: `${(100 * stage.bytes) / stored}%` } }))),
          el('dl', { class: 'facts' }, stages.map((stage, index) => [
            el('dt', {}, el('i', { class: `dot hue${index}` }), STAGES[stage.stage] ?? stage.stage),
            el('dd', {}, bytes(stage.bytes), el('span', { class: 'fine' }, ` in ${plural(stage.extents ?? 0, 'extent')}${stage.objects === undefined ? '' : `, ${plural(stage.objects, 'object')}`}`))]))),
        part('Cache',
          el('dl', { class: 'facts' },
            fact('Memory', filled(cache.memory_bytes, cache.memory_bytes_max)),
            fact('Disk', filled(cache.disk_bytes, cache.disk_bytes_max)),
            fact('Hits', asked ? `${((100 * cache.hits) / asked).toFixed(1)} %` : '–', el('span', { class: 'fine' }, ` of ${plural(asked, 'read')}`)),
            fact('Hits a second', rate(rateOf('cache hits')), ' ', spark('cache hits')),
            fact('Just written', known(cache.written_bytes, bytes), el('span', { class: 'fine' }, ' in memory')))),
        part('Raft',
          el('dl', { class: 'facts' },
            fact('Leader', known(raft.leader, (leader) => `node ${leader}`)),
            fact('Term', known(raft.term)),
            fact('Committed', known(raft.committed)),
            fact('Applied', known(raft.applied), raft.committed > raft.applied && el('span', { class: 'fine' }, ` ${plural(raft.committed - raft.applied, 'entry', 'entries')} behind`)),
            fact('Log', known(raft.log_bytes, bytes)),
            fact('Snapshot at', known(raft.snapshot_index)),
            raft.log_fsync_p99_ms !== undefined && fact('Slowest 1 % of fsyncs', `${raft.log_fsync_p99_ms.toFixed(1)} ms`)))),
    ];
  }

  return { title: 'Cluster', isCluster: true, every: 60_000, load: async () => true, render: (data) => data && render() };
}

const fact = (name, ...what) => [el('dt', {}, name), el('dd', {}, what)];

function filled(part, whole) {
  if (part === undefined) return '–';
  return whole ? [`${bytes(part)} of ${bytes(whole)}`, meter(part, whole, `${Math.round((100 * part) / whole)} %`)] : bytes(part);
}
