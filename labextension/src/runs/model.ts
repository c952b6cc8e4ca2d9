/**
 * What a run says to a person. Pure.
 */
import type { Run } from '../api/client';
import type { Tone } from '../components/badge';
import { duration } from '../components/moment';

const MARKS: Readonly<Record<Run['state'], { readonly tone: Tone; readonly text: string }>> = {
  pending: { tone: 'quiet', text: 'Waiting' },
  running: { tone: 'active', text: 'Running' },
  completed: { tone: 'good', text: 'Completed' },
  failed: { tone: 'bad', text: 'Failed' },
  cancelled: { tone: 'quiet', text: 'Cancelled' }
};

const CAUSES: Readonly<Record<NonNullable<Run['cause']>, string>> = {
  cell_error: 'A cell raised an error',
  kernel_died: 'The kernel died',
  timed_out: 'It ran out of time',
  unresponsive: 'The kernel stopped answering',
  interrupted: 'The server stopped while it ran',
  invalid_notebook: 'The notebook is not valid',
  invalid_parameters: 'The parameters do not fit the notebook',
  kernel_not_found: 'The kernel is not installed',
  kernel_failed_to_start: 'The kernel did not start',
  output_unwritable: 'The output notebook could not be written'
};

export function stateMark(state: Run['state']): { readonly tone: Tone; readonly text: string } {
  return MARKS[state];
}

export function isGoingOn(run: Run): boolean {
  return run.state === 'pending' || run.state === 'running';
}

/** Why a run failed, with the cell and the exception where a cell is the cause; null for other runs. */
export function failure(run: Run): string | null {
  if (run.state !== 'failed') {
    return null;
  }
  const cell = run.result?.failed_cell;
  if (cell) {
    return `Cell ${cell.index + 1}: ${cell.ename}${cell.evalue ? `: ${cell.evalue}` : ''}`;
  }
  return run.message ?? (run.cause ? CAUSES[run.cause] : 'The run failed');
}

/** "Next in line", "3rd in line"; null for a run that does not wait for others. */
export function placeInLine(run: Run): string | null {
  if (run.state !== 'pending' || run.queue_position === null) {
    return null;
  }
  return run.queue_position === 1 ? 'Next in line' : `${ordinal(run.queue_position)} in line`;
}

/**
 * Whether the run can be repeated by a click. The values of secret parameters are not kept, so a person has to give
 * those again elsewhere.
 */
export function isRepeatable(run: Run): boolean {
  return !isGoingOn(run) && run.origin === 'request' && run.secret_parameters.length === 0;
}

/** The notebook to show: what the run writes, or its input when it never began and so wrote nothing. */
export function notebookOf(run: Run): string {
  return (run.started_at === null ? null : run.output_path) ?? run.input_path;
}

/** "3 of 12 cells". */
export function progressInWords(progress: Run['progress']): string {
  return `${progress.cells_done} of ${progress.cells_total} cells`;
}

/** How long it took, or null while it goes on, and when nothing of it ran. */
export function took(run: Pick<Run, 'result'>): string | null {
  const seconds = run.result?.duration_seconds ?? null;
  return seconds === null ? null : duration(seconds);
}

function ordinal(n: number): string {
  const isTeen = Math.floor(n / 10) % 10 === 1;
  const suffix = isTeen ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th');
  return `${n}${suffix}`;
}

/** Runs that go on first, then those that wait, the next one first, then those that ended in the order given. */
export function byAttention(runs: readonly Run[]): readonly Run[] {
  const waiting = runs.filter(({ state }) => state === 'pending');
  return [
    ...runs.filter(({ state }) => state === 'running'),
    ...waiting.sort((a, b) => (a.queue_position ?? 0) - (b.queue_position ?? 0)),
    ...runs.filter(run => !isGoingOn(run))
  ];
}
