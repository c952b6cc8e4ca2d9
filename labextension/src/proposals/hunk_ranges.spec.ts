import { describe, expect, it } from 'vitest';

import type { Hunk } from '../api/client';
import { hunkRanges } from './hunk_ranges';

function hunk(base: [number, number], remote: [number, number]): Hunk {
  return {
    hunk_id: `${base[0]}`,
    base_start: base[0],
    base_lines: base[1],
    remote_start: remote[0],
    remote_lines: remote[1],
    before: '',
    after: '',
    words: []
  };
}

function texts(before: string, after: string, hunks: Hunk[]): [string, string][] {
  return hunkRanges(before, after, hunks).map(r => [
    before.slice(r.fromA, r.toA),
    after.slice(r.fromB, r.toB)
  ]);
}

describe('the ranges of hunks', () => {
  it('are whole lines on both sides', () => {
    expect(texts('a\nb\nc\nd', 'a\nB\nc\nD', [hunk([1, 1], [1, 1]), hunk([3, 1], [3, 1])])).toEqual(
      [
        ['b\n', 'B\n'],
        ['d', 'D']
      ]
    );
  });

  it('are empty on the side where nothing stands', () => {
    expect(texts('a\n', 'a\nb\nc\n', [hunk([1, 0], [1, 2])])).toEqual([['', 'b\nc\n']]);
    expect(texts('', 'x', [hunk([0, 0], [0, 1])])).toEqual([['', 'x']]);
  });
});
