import { describe, expect, it } from 'vitest';

import { affectedCells, areSame, hasOutputs, outputsByCell, pairOf } from './outputs_model';

function text(value: string, execution_count = 1): Record<string, unknown> {
  return {
    output_type: 'execute_result',
    execution_count,
    metadata: {},
    data: { 'text/plain': value }
  };
}

function notebook(cells: Record<string, Record<string, unknown>[]>): Record<string, unknown> {
  return {
    cells: [
      { id: 'prose', cell_type: 'markdown', source: '# Title' },
      ...Object.entries(cells).map(([id, outputs]) => ({
        id,
        cell_type: 'code',
        source: ['x\n', 'y'],
        outputs
      }))
    ]
  };
}

const before = outputsByCell(
  notebook({ edited: [text('1')], after: [text('2')], same: [text('3')] })
);
const after = outputsByCell(
  notebook({ edited: [text('10')], after: [text('20')], same: [text('3', 9)], added: [text('4')] })
);

describe('outputs of two runs', () => {
  it('are found by cell id, with the place and the source of the cell', () => {
    expect(before.get('edited')).toMatchObject({ index: 1, source: 'x\ny' });
    expect(before.has('prose')).toBe(false);
  });

  it('are the same when only the execution count differs', () => {
    expect(areSame(pairOf(before, after, 'same'))).toBe(true);
    expect(areSame(pairOf(before, after, 'edited'))).toBe(false);
  });

  it('may be missing on one side', () => {
    const pair = pairOf(before, after, 'added');
    expect(pair.before).toBeNull();
    expect(hasOutputs(pair)).toBe(true);
    expect(hasOutputs(pairOf(before, after, 'nowhere'))).toBe(false);
  });

  it('show the effect of a change on the cells that it does not touch', () => {
    const affected = affectedCells(before, after, new Set(['edited']));
    expect(affected.map(({ cell }) => cell.cellId)).toEqual(['after']);
  });

  it('of a notebook without cells are none', () => {
    expect(outputsByCell({}).size).toBe(0);
  });
});
