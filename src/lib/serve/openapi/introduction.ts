import type { RouteTopic } from '../http/route-doc.js';

/** Topics in the order in which they are shown, with what is in each. */
export const TOPICS: Readonly<Record<RouteTopic, string>> = {
  Jobs: 'Submit work, follow it, fetch its result, cancel it. Groups of many rows have the same routes as jobs.',
  Recipe: 'The two routes of the recipe for FastAPI and Celery.',
  Inference:
    'Run a model and wait for the answer: the Open Inference Protocol v2, as clients of Triton and KServe speak it. Each model that a worker serves has a path with its own inputs.',
  Models: 'What models there are, what they take, and which workers serve them (Open Inference Protocol v2).',
  OpenAI: "Models and embeddings as OpenAI's clients ask for them.",
  Deployment: 'Queues, workers, statistics and autoscalers, as `infer inspect` shows them.',
  Control: 'Steer queues and workers. These routes exist only with `--allow-control`.',
  Server: 'The server itself: its routes, errors, health and metrics.',
};

/** What holds for all routes. */
export const DESCRIPTION = `Machine learning inference over queues. A request becomes a job in a queue in Redis; workers run it, and its result is kept for a while.

- **Tokens** are sent as \`Authorization: Bearer TOKEN\`. A job belongs to the token that submitted it.
- **Errors** are \`application/problem+json\` with a stable \`code\`, which \`GET /errors/{code}\` explains. The routes for clients of other servers answer in the form of those.
- **Times** are milliseconds since the epoch. Durations are text such as \`30s\`, or a number of milliseconds.
- **Request ids**: send \`X-Request-Id\`, or find the one that was made in the answer; it is in the log of the server.
- **Coming again**: answers that say so have \`Retry-After\`, in seconds.`;
