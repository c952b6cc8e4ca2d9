import { describe, expect, it } from 'vitest';

import type { Run } from '../api/client';
import {
  byAttention,
  failure,
  isRepeatable,
  notebookOf,
  placeInLine,
  progressInWords,
  took
} from './model';

function run(fields: Partial<Run> = {}): Run {
  return {
    run_id: 'r',
    version: 1,
    state: 'completed',
    cause: null,
    message: null,
    origin: 'request',
    author: { kind: 'agent', name: 'bot' },
    input_path: 'a.ipynb',
    input_hash: '0',
    output_path: 'runs/a/r.ipynb',
    output_hash: null,
    parameters: {},
    secret_parameters: [],
    prepare_only: false,
    allow_unknown: false,
    allow_errors: false,
    kernel_name: 'python3',
    timeout_seconds: null,
    cell_timeout_seconds: null,
    sandboxed: false,
    queue_position: null,
    rerun_of: null,
    created_at: '2026-11-23T12:00:00Z',
    started_at: null,
    ended_at: null,
    progress: { cells_total: 12, cells_done: 3 },
    cells: [],
    result: null,
    ...fields
  };
}

const result: NonNullable<Run['result']> = {
  status: 'error',
  duration_seconds: 4.2,
  cells_executed: 3,
  failed_cell: {
    index: 2,
    cell_id: 'c',
    source: '1/0',
    ename: 'ZeroDivisionError',
    evalue: 'division by zero',
    traceback: []
  },
  scraps: {}
};

describe('a run', () => {
  it('counts its cells', () => {
    expect(progressInWords(run().progress)).toBe('3 of 12 cells');
  });

  it('names the cell and the exception when a cell failed', () => {
    expect(failure(run({ state: 'failed', cause: 'cell_error', result }))).toBe(
      'Cell 3: ZeroDivisionError: division by zero'
    );
  });

  it('names the cause when no cell is to blame', () => {
    expect(failure(run({ state: 'failed', cause: 'interrupted' }))).toBe(
      'The server stopped while it ran'
    );
    expect(failure(run())).toBeNull();
  });

  it('says how long it took only when it has ended', () => {
    expect(took(run({ state: 'running' }))).toBeNull();
    expect(took(run({ result }))).toBe('4.2 s');
  });

  it('took no time when it was stopped while it waited', () => {
    const stopped = { ...result, failed_cell: null, cells_executed: 0, duration_seconds: null };
    expect(took(run({ state: 'cancelled', result: stopped }))).toBeNull();
  });

  it('knows its place while it waits for others', () => {
    const waiting = (n: number | null) => placeInLine(run({ state: 'pending', queue_position: n }));
    expect(waiting(null)).toBeNull();
    expect(waiting(1)).toBe('Next in line');
    expect([2, 3, 4, 11, 12, 13, 21, 22, 111, 121].map(waiting)).toEqual(
      ['2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '22nd', '111th', '121st'].map(
        place => `${place} in line`
      )
    );
    expect(placeInLine(run({ state: 'running' }))).toBeNull();
  });

  it('is its input as long as it has written nothing', () => {
    expect(notebookOf(run({ state: 'pending' }))).toBe('a.ipynb');
    expect(notebookOf(run({ started_at: '2026-11-23T12:00:01Z' }))).toBe('runs/a/r.ipynb');
  });

  it('can be repeated when it has ended and had no secrets', () => {
    expect(isRepeatable(run())).toBe(true);
    expect(isRepeatable(run({ state: 'failed', cause: 'cell_error' }))).toBe(true);
    expect(isRepeatable(run({ state: 'running' }))).toBe(false);
    expect(isRepeatable(run({ secret_parameters: ['API_KEY'] }))).toBe(false);
  });

  it('stands on top of the list while it goes on, and behind those whose turn comes before', () => {
    const runs = [
      run({ run_id: 'old' }),
      run({ run_id: 'third', state: 'pending', queue_position: 2 }),
      run({ run_id: 'second', state: 'pending', queue_position: 1 }),
      run({ run_id: 'now', state: 'running' })
    ];
    expect(byAttention(runs).map(r => r.run_id)).toEqual(['now', 'second', 'third', 'old']);
  });
});
