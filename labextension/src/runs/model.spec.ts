import { describe, expect, it } from 'vitest';

import type { Run } from '../api/client';
import { byAttention, failure, progressInWords, took } from './model';

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
    kernel_name: 'python3',
    timeout_seconds: null,
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

  it('stands on top of the list while it goes on', () => {
    const runs = [run({ run_id: 'old' }), run({ run_id: 'now', state: 'running' })];
    expect(byAttention(runs).map(r => r.run_id)).toEqual(['now', 'old']);
  });
});
