import type { Family, HttpFigures, MetricsView, Sample } from './family.js';

/** Upper bounds in seconds: from an answer out of memory to the longest wait that a caller may ask for. */
export const HTTP_BOUNDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const;

const samples =
  (read: (http: HttpFigures) => readonly Sample[]) =>
  ({ exporter: { http } }: MetricsView): readonly Sample[] =>
    http === undefined ? [] : read(http);

/** What a gateway says of its requests; an exporter that is none has no such figures. */
export const HTTP_FAMILIES: readonly Family[] = [
  {
    name: 'infer_http_requests_total',
    help: 'Requests by method, route and status; 499: the caller left before the answer was complete',
    type: 'counter',
    labels: ['method', 'route', 'status'],
    samples: samples(({ routes }) =>
      routes.flatMap(({ method, route, byStatus }) =>
        [...byStatus].map(([status, count]) => [{ method, route, status: String(status) }, count] as const),
      ),
    ),
  },
  {
    name: 'infer_http_request_duration_seconds',
    help: 'Time from the headers of a request to the end of its answer, waits for results included; not of event streams',
    type: 'histogram',
    labels: ['method', 'route'],
    bounds: HTTP_BOUNDS,
    series: ({ exporter: { http } }) =>
      http === undefined
        ? []
        : http.routes.map(({ method, route, duration }) => [{ method, route }, duration] as const),
  },
  {
    name: 'infer_http_received_bytes_total',
    help: 'Bytes of requests, headers included',
    type: 'counter',
    labels: ['method', 'route'],
    samples: samples(({ routes }) =>
      routes.map(({ method, route, received }) => [{ method, route }, received] as const),
    ),
  },
  {
    name: 'infer_http_sent_bytes_total',
    help: 'Bytes of answers, headers included',
    type: 'counter',
    labels: ['method', 'route'],
    samples: samples(({ routes }) =>
      routes.map(({ method, route, sent }) => [{ method, route }, sent] as const),
    ),
  },
  {
    name: 'infer_http_errors_total',
    help: 'Requests that were answered with an error, by its code',
    type: 'counter',
    labels: ['code'],
    samples: samples(({ errors }) => [...errors].map(([code, count]) => [{ code }, count] as const)),
  },
  {
    name: 'infer_http_open_requests',
    help: 'Requests under way, event streams not counted',
    type: 'gauge',
    labels: [],
    samples: samples(({ openRequests }) => [[{}, openRequests]]),
  },
  {
    name: 'infer_http_open_streams',
    help: 'Event streams that are open',
    type: 'gauge',
    labels: [],
    samples: samples(({ openStreams }) => [[{}, openStreams]]),
  },
];
