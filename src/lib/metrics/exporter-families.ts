import type { Family } from './family.js';

/** The exporter's own metrics; present whether Redis answers or not. */
export const EXPORTER_FAMILIES: readonly Family[] = [
  {
    name: 'infer_up',
    help: 'Whether Redis could be read for this scrape: 1 or 0',
    type: 'gauge',
    labels: [],
    samples: ({ reading }) => [[{}, reading === undefined ? 0 : 1]],
  },
  {
    name: 'infer_build_info',
    help: 'Always 1; the labels name the running versions',
    type: 'gauge',
    labels: ['version', 'node_version'],
    samples: ({ exporter }) => [[{ version: exporter.version, node_version: exporter.nodeVersion }, 1]],
  },
  {
    name: 'infer_scrape_duration_seconds',
    help: 'How long the last read of Redis took',
    type: 'gauge',
    labels: [],
    samples: ({ exporter }) => [[{}, exporter.lastSeconds]],
  },
  {
    name: 'infer_scrapes_total',
    help: 'Reads of Redis; scrapes at the same moment share one',
    type: 'counter',
    labels: [],
    samples: ({ exporter }) => [[{}, exporter.scrapes]],
  },
  {
    name: 'infer_scrape_errors_total',
    help: 'Failed reads of Redis, by error code',
    type: 'counter',
    labels: ['code'],
    samples: ({ exporter }) => [...exporter.errors].map(([code, count]) => [{ code }, count]),
  },
  {
    name: 'infer_hidden_queues',
    help: 'Queues left out because there are too many; select queues with -Q',
    type: 'gauge',
    labels: [],
    samples: ({ reading }) => (reading === undefined ? [] : [[{}, reading.snapshot.hidden.queues]]),
  },
  {
    name: 'infer_hidden_workers',
    help: 'Workers left out because there are too many',
    type: 'gauge',
    labels: [],
    samples: ({ reading }) => (reading === undefined ? [] : [[{}, reading.snapshot.hidden.workers]]),
  },
  {
    name: 'infer_hidden_models',
    help: 'Pairs of queue and model left out because there are too many; select queues with -Q',
    type: 'gauge',
    labels: [],
    samples: ({ reading }) => (reading === undefined ? [] : [[{}, reading.hiddenModels]]),
  },
  {
    name: 'infer_desired_workers',
    help: 'Workers wanted, as /autoscale/<queue> last answered; removed 5 minutes after the last request',
    type: 'gauge',
    labels: ['queue'],
    samples: ({ exporter }) => [...exporter.desired].map(([queue, count]) => [{ queue }, count]),
  },
  {
    name: 'process_start_time_seconds',
    help: 'When the exporter started, in seconds since the epoch',
    type: 'gauge',
    labels: [],
    samples: ({ exporter }) => [[{}, exporter.startedAt / 1000]],
  },
  {
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of the exporter',
    type: 'gauge',
    labels: [],
    samples: ({ exporter }) => [[{}, exporter.residentBytes]],
  },
];
