import type { RouteTopic } from '../http/route-doc.js';

/** Topics in display order, each with a description. */
export const TOPICS: Readonly<Record<RouteTopic, string>> = {
  Jobs: 'Submit jobs, follow them, fetch their results and cancel them. Groups of many rows use the same routes.',
  Recipe: 'The two routes of the recipe for FastAPI and Celery.',
  Inference:
    'Run a model and wait for the response: the Open Inference Protocol v2, for clients of Triton and KServe. Each model that a worker serves has its own path, with its inputs.',
  Models: 'Models, their inputs, and the workers that serve them (Open Inference Protocol v2).',
  OpenAI: "Models and embeddings for OpenAI's clients.",
  Deployment: 'Queues, workers, statistics and autoscalers, as `infer inspect` shows them.',
  Control: 'Control queues and workers. These routes exist only with `--allow-control`.',
  Server: 'The server itself: its routes, errors, health and metrics.',
};

/** Applies to all routes. */
export const DESCRIPTION = `Machine learning inference over queues. A request becomes a job in a queue in Redis; workers run it, and its result is kept for a limited time.

- **Tokens** are sent as \`Authorization: Bearer TOKEN\`. A job belongs to the token that submitted it.
- **Errors** are \`application/problem+json\` with a stable \`code\`, which \`GET /errors/{code}\` explains. The routes for clients of other servers use the error format of those servers.
- **Times** are milliseconds since the epoch. Durations are text such as \`30s\`, or a number of milliseconds.
- **Request ids**: send \`X-Request-Id\`, or use the generated one in the response. The server's log contains it.
- **Retries**: \`Retry-After\` of a response is the number of seconds after which to retry.`;
