/**
 * The server's hunks as character ranges, so that what is highlighted is exactly what can be accepted. Pure.
 */
import type { Hunk } from '../api/client';

/** Where a hunk is in both texts: `from` inclusive, `to` exclusive. */
export interface IHunkRange {
  readonly hunkId: string;
  readonly fromA: number;
  readonly toA: number;
  readonly fromB: number;
  readonly toB: number;
}

export function hunkRanges(
  before: string,
  after: string,
  hunks: readonly Hunk[]
): readonly IHunkRange[] {
  const a = lineStarts(before);
  const b = lineStarts(after);
  return hunks.map(hunk => ({
    hunkId: hunk.hunk_id,
    fromA: at(a, hunk.base_start),
    toA: at(a, hunk.base_start + hunk.base_lines),
    fromB: at(b, hunk.remote_start),
    toB: at(b, hunk.remote_start + hunk.remote_lines)
  }));
}

/** The offset of every line's first character, and the end of the text as one more. */
function lineStarts(text: string): readonly number[] {
  const starts = [0];
  for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', end + 1)) {
    starts.push(end + 1);
  }
  if (starts[starts.length - 1] !== text.length) {
    starts.push(text.length);
  }
  return starts;
}

function at(starts: readonly number[], line: number): number {
  return starts[Math.min(line, starts.length - 1)] ?? 0;
}
