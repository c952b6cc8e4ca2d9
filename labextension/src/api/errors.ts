import { ServerConnection } from '@jupyterlab/services';

import type { components } from './generated';

type ErrorBody = components['schemas']['ErrorBody'];

/**
 * What the server answered instead of a result: `{message, reason, code, details}`.
 */
export class HermesError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
    readonly details: Readonly<Record<string, unknown>>
  ) {
    super(message);
    this.name = 'HermesError';
  }

  /**
   * Read the error from an answer; one that is not ours (a proxy's page, Jupyter's own) keeps its status.
   */
  static fromAnswer(response: Response, body: unknown): HermesError {
    if (isErrorBody(body)) {
      return new HermesError(body.message, response.status, body.code, body.details ?? {});
    }
    const message = `The server answered ${response.status} ${response.statusText}`.trim();
    return new HermesError(`${message}.`, response.status, 'unexpected_answer', {});
  }
}

/**
 * The sentence to show a person for anything that was thrown.
 */
export function describe(error: unknown): string {
  if (error instanceof ServerConnection.NetworkError) {
    return 'The server does not answer. What is shown may be out of date.';
  }
  return error instanceof Error ? error.message : String(error);
}

function isErrorBody(body: unknown): body is ErrorBody {
  return (
    typeof body === 'object' &&
    body !== null &&
    typeof (body as Partial<ErrorBody>).message === 'string' &&
    typeof (body as Partial<ErrorBody>).code === 'string'
  );
}
