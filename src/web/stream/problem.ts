import type { ProblemBody } from '../../lib/serve/dashboard/shapes.js';

/** Why a request was not answered as wanted, in words for the reader of the page. */
export interface RequestProblem {
  /** Status of the answer; 0 if there was none. */
  status: number;
  code: string;
  message: string;
  hint: string | null;
}

export class RequestError extends Error {
  constructor(readonly problem: RequestProblem) {
    super(problem.message);
  }
}

export const UNREACHABLE: RequestProblem = {
  status: 0,
  code: 'UNREACHABLE',
  message: 'The dashboard does not answer.',
  hint: 'Check that the server of this page runs, and that this computer can reach it.',
};

/** Of an answer that is not 2xx. Its body is a problem, unless a proxy in between has answered. */
export async function problemOf(response: Response): Promise<RequestProblem> {
  const body = (await response.json().catch(() => undefined)) as Partial<ProblemBody> | undefined;
  const { code, detail, title, hint } = body ?? {};
  return {
    status: response.status,
    code: code ?? `HTTP_${response.status}`,
    message: detail ?? title ?? `The server answered with status ${response.status}.`,
    hint: hint ?? null,
  };
}
