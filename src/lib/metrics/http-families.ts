import type { Family, HttpFigures, MetricsView, Sample } from './family.js';

/** Upper bounds in seconds: from a response out of memory to the longest wait that a caller may request. */
export const HTTP_BOUNDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const;

const samples =
  (read: (http: HttpFigures) => readonly Sample[]) =>
  ({ exporter: { http } }: MetricsView): readonly Sample[] =>
    http === undefined ? [] : read(http);

/** Figures of a gateway's requests; an exporter without a gateway has none. */
export const HTTP_FAMILIES: readonly Family[] = [
  {
    name: 'infer_http_requests_total',
    help: 'Requests by method, route and status; 499: the caller disconnected before the response was complete',
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
    help: 'Time from the headers of a request to the end of its response, including waits for results, without event streams',
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
    help: 'Bytes of requests, including headers',
    type: 'counter',
    labels: ['method', 'route'],
    samples: samples(({ routes }) =>
      routes.map(({ method, route, received }) => [{ method, route }, received] as const),
    ),
  },
  {
    name: 'infer_http_sent_bytes_total',
    help: 'Bytes of responses, including headers',
    type: 'counter',
    labels: ['method', 'route'],
    samples: samples(({ routes }) =>
      routes.map(({ method, route, sent }) => [{ method, route }, sent] as const),
    ),
  },
  {
    name: 'infer_http_errors_total',
    help: 'Requests that ended with an error, by its code',
    type: 'counter',
    labels: ['code'],
    samples: samples(({ errors }) => [...errors].map(([code, count]) => [{ code }, count] as const)),
  },
  {
    name: 'infer_http_open_requests',
    help: 'Open requests, without event streams',
    type: 'gauge',
    labels: [],
    samples: samples(({ openRequests }) => [[{}, openRequests]]),
  },
  {
    name: 'infer_http_open_streams',
    help: 'Open event streams',
    type: 'gauge',
    labels: [],
    samples: samples(({ openStreams }) => [[{}, openStreams]]),
  },
];
