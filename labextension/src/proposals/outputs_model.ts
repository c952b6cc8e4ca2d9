/**
 * Outputs of two runs, side by side. Pure.
 */
import type { IOutput } from '@jupyterlab/nbformat';

import { sourceOf } from './model';

/** The part of a notebook's cell that is compared. */
export interface ICellOutputs {
  readonly cellId: string;
  /** 0-based place in its notebook. */
  readonly index: number;
  readonly source: string;
  readonly outputs: readonly IOutput[];
}

export type OutputsByCell = ReadonlyMap<string, ICellOutputs>;

/** The same cell in both runs; null where a run has no such cell. */
export interface IOutputPair {
  readonly before: readonly IOutput[] | null;
  readonly after: readonly IOutput[] | null;
}

/** A cell whose outputs differ though it is not a change itself. */
export interface IAffectedCell extends IOutputPair {
  readonly cell: ICellOutputs;
}

/** The outputs of every code cell that has an id. */
export function outputsByCell(notebook: Readonly<Record<string, unknown>>): OutputsByCell {
  const cells = Array.isArray(notebook.cells) ? (notebook.cells as unknown[]) : [];
  const found = new Map<string, ICellOutputs>();
  cells.forEach((cell, index) => {
    const fields = (cell ?? {}) as Record<string, unknown>;
    const { id, outputs } = fields;
    if (typeof id === 'string' && Array.isArray(outputs)) {
      const source = sourceOf(fields);
      found.set(id, { cellId: id, index, source, outputs: outputs as IOutput[] });
    }
  });
  return found;
}

export function pairOf(before: OutputsByCell, after: OutputsByCell, cellId: string): IOutputPair {
  return {
    before: before.get(cellId)?.outputs ?? null,
    after: after.get(cellId)?.outputs ?? null
  };
}

/** Whether there is anything to show. */
export function hasOutputs({ before, after }: IOutputPair): boolean {
  return (before?.length ?? 0) > 0 || (after?.length ?? 0) > 0;
}

/** Whether a reader would see the same; execution counts are not seen. */
export function areSame({ before, after }: IOutputPair): boolean {
  return JSON.stringify(visible(before)) === JSON.stringify(visible(after));
}

/** Cells that differ in what they print though the proposal does not touch them: the effect of the change. */
export function affectedCells(
  before: OutputsByCell,
  after: OutputsByCell,
  changedCells: ReadonlySet<string>
): readonly IAffectedCell[] {
  return [...after.values()]
    .filter(({ cellId }) => before.has(cellId) && !changedCells.has(cellId))
    .map(cell => ({ cell, ...pairOf(before, after, cell.cellId) }))
    .filter(pair => !areSame(pair));
}

function visible(outputs: readonly IOutput[] | null): unknown {
  return (outputs ?? []).map(output => ({ ...output, execution_count: null, metadata: null }));
}
