import { ExitCode } from '../exit-codes.js';
import { errors } from './facts.js';

/** Requests that fail again when they are repeated. */
const WRONG = {
  exitCode: ExitCode.Usage,
  retryable: false,
  fault: 'caller',
  doc: 'serve.md#errors',
} as const;

/** Requests to the HTTP servers, apart from their content. */
export const HTTP_ERRORS = {
  ...errors(
    { ...WRONG, httpStatus: 400 },
    { HTTP_REQUEST: 'The request is malformed: its headers, address or body are not valid HTTP.' },
  ),
  ...errors({ ...WRONG, httpStatus: 404 }, { HTTP_ROUTE: 'The server has no such address.' }),
  ...errors({ ...WRONG, httpStatus: 405 }, { HTTP_METHOD: 'The address does not support this method.' }),
  ...errors(
    { ...WRONG, httpStatus: 422 },
    { MODEL_TASK: 'The model returns no embeddings, or does not accept a single text or list of tokens.' },
  ),
  ...errors(
    { ...WRONG, httpStatus: 421 },
    { HTTP_HOST: 'The `Host` of the request is not a name of this server.' },
  ),
  ...errors(
    { ...WRONG, httpStatus: 403 },
    { HTTP_ORIGIN: 'A web page of another origin sent the request, and the server does not allow it.' },
  ),
  ...errors(
    { ...WRONG, exitCode: ExitCode.NotPermitted, httpStatus: 401 },
    { TOKEN: 'The request has no valid token.' },
  ),
  ...errors(
    { ...WRONG, exitCode: ExitCode.NotPermitted, httpStatus: 403 },
    { TOKEN_SCOPE: 'The token does not allow this.' },
  ),
  ...errors(
    { ...WRONG, exitCode: ExitCode.TryAgain, retryable: true, httpStatus: 408 },
    { HTTP_SLOW: 'The request did not arrive in time.' },
  ),
  ...errors(
    { ...WRONG, exitCode: ExitCode.TryAgain, httpStatus: 499 },
    { HTTP_LEFT: 'The caller disconnected before the response; this code appears only in logs and metrics.' },
  ),
  ...errors(
    { ...WRONG, httpStatus: 406 },
    { OUTPUT_FORM: 'The result is not available in the requested format.' },
  ),
  ...errors(
    { ...WRONG, httpStatus: 422 },
    { IDEMPOTENCY_KEY: 'The `Idempotency-Key` was used for another request.' },
  ),
  ...errors(
    { ...WRONG, httpStatus: 410 },
    { INPUT_GONE: 'The input of the job is no longer kept, so it cannot run again.' },
  ),
  ...errors(
    { ...WRONG, httpStatus: 409 },
    {
      JOB_ENDED: 'The job had already ended when it was to be cancelled.',
      NOT_FAILED: 'Only failed jobs and groups can be retried.',
    },
  ),
  ...errors(
    { ...WRONG, exitCode: ExitCode.TryAgain, retryable: true, httpStatus: 503 },
    {
      HTTP_LATE: 'The server could not answer in time.',
      DRAINING: 'The server is shutting down and accepts no new work.',
      NOT_READY: 'No worker serves a model that the server requires.',
    },
  ),
  ...errors(
    { ...WRONG, exitCode: ExitCode.NotPermitted, httpStatus: 403, doc: 'serve.md#tokens' },
    { TOKEN_MODEL: 'The token does not allow this model.' },
  ),
  ...errors(
    { ...WRONG, exitCode: ExitCode.NotPermitted, httpStatus: 403, doc: 'serve.md#limits' },
    { QUEUES_FULL: 'The maximum number of queues is reached, so naming a new queue does not create it.' },
  ),
  ...errors(
    { ...WRONG, exitCode: ExitCode.TryAgain, retryable: true, httpStatus: 429, doc: 'serve.md#limits' },
    {
      RATE_LIMIT: 'The token has sent more requests than its rate allows.',
      JOBS_LIMIT: 'The token has reached its limit of unfinished jobs.',
      WAITING_LIMIT: 'The token has reached its limit of waiting jobs.',
      OPEN_LIMIT: 'The token has reached its limit of open event streams and waits.',
    },
  ),
  ...errors(
    { ...WRONG, exitCode: ExitCode.TryAgain, retryable: true, httpStatus: 503, doc: 'serve.md#limits' },
    {
      QUEUE_FULL: 'As many jobs are waiting in the queue as `--max-waiting` allows.',
      SERVER_FULL: 'The server has as many open event streams and waits as `--max-open` allows.',
      BODIES_FULL: 'The bodies, or large results, in memory take as many bytes as `--max-bodies` allows.',
      WAIT_TOO_LONG: 'The job would expire: the predicted wait is longer than its `expires`.',
    },
  ),
} as const;

const SETUP = { retryable: false, fault: 'caller', httpStatus: 500, doc: 'serve.md#tokens' } as const;

const DASHBOARD = { retryable: true, fault: 'caller', doc: 'serve.md#dashboard' } as const;

/** The dashboard. */
export const DASHBOARD_ERRORS = {
  ...errors(
    { ...DASHBOARD, exitCode: ExitCode.TryAgain, httpStatus: 503 },
    { STREAMS_FULL: 'As many pages of the dashboard are open as the server allows.' },
  ),
  ...errors(
    { ...DASHBOARD, exitCode: ExitCode.TryAgain, httpStatus: 429 },
    { ACTION_LIMIT: 'The token has started as many actions of the dashboard as it may.' },
  ),
  ...errors(
    { ...DASHBOARD, exitCode: ExitCode.Negative, httpStatus: 409 },
    { ACTION_CHANGED: 'The action would now change more than its preview showed, so nothing was done.' },
  ),
  ...errors(
    { ...DASHBOARD, exitCode: ExitCode.NoInput, httpStatus: 404, retryable: false },
    {
      ACTION_UNKNOWN:
        'The server knows no action of this id: it ended more than ten minutes ago, or the server was restarted.',
    },
  ),
  ...errors(
    { ...DASHBOARD, exitCode: ExitCode.BadConfig, httpStatus: 500, retryable: false },
    { CONTROL_TOKENS: 'The actions of the dashboard need a token file, on every address.' },
  ),
} as const;

/** Starting the gateway, and its tokens. */
export const SERVE_ERRORS = {
  ...errors(
    { ...SETUP, exitCode: ExitCode.Usage },
    {
      TOKENS_NEEDED: 'The address can be reached from other machines, and there is no token file.',
      TOKEN_NAME: 'The text cannot be the name of a token.',
      TOKEN_LIMIT: 'A limit of the token is not a valid number.',
      TOKEN_MODEL_NAME: 'The text cannot be the name of a model that the token may use.',
    },
  ),
  ...errors(
    { ...SETUP, exitCode: ExitCode.BadConfig },
    { TOKEN_FILE: 'The token file cannot be read or written, or is not a token file.' },
  ),
  ...errors(
    { ...SETUP, exitCode: ExitCode.BadConfig, doc: 'serve.md#tls' },
    { SERVE_TLS: 'The certificate of the server or its private key cannot be used.' },
  ),
  ...errors(
    { ...SETUP, exitCode: ExitCode.Negative, httpStatus: 409 },
    { TOKEN_EXISTS: 'There is already a token of this name.' },
  ),
  ...errors(
    { ...SETUP, exitCode: ExitCode.NoInput, httpStatus: 404 },
    { TOKEN_UNKNOWN: 'No token has this name.' },
  ),
} as const;
