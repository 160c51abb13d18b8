import { ExitCode } from '../exit-codes.js';
import { errors } from './facts.js';

const AWAY = {
  exitCode: ExitCode.Unavailable,
  httpStatus: 502,
  fault: 'caller',
  doc: 'library.md#inferhttp',
} as const;

/** Calling a gateway by HTTP, where it is not the gateway that answers with an error. */
export const HTTP_CLIENT_ERRORS = {
  ...errors(
    { ...AWAY, exitCode: ExitCode.Usage, httpStatus: 500, retryable: false },
    { HTTP_URL: 'The address of the gateway is not an http or https address.' },
  ),
  ...errors({ ...AWAY, retryable: true }, { HTTP_UNREACHABLE: 'No gateway answers at the address.' }),
  ...errors(
    { ...AWAY, exitCode: ExitCode.TryAgain, httpStatus: 504, retryable: true },
    { HTTP_TIMEOUT: 'The gateway did not answer in the time of the call.' },
  ),
  ...errors(
    { ...AWAY, retryable: false },
    {
      HTTP_TLS: 'The TLS connection to the gateway was refused: a certificate, or TLS on one side only.',
      HTTP_ANSWER: 'What answers at the address is not a gateway of infer.',
    },
  ),
} as const;
