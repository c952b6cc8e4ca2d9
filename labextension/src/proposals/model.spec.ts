import { describe, expect, it } from 'vitest';

import type { ChangeDecision, Proposal, ProposedChange } from '../api/client';
import {
  asTable,
  counts,
  decideChange,
  decideHunks,
  decideRemaining,
  decisionsInWords,
  difference,
  hunkWords,
  inNotebookOrder,
  isDecided,
  isUntestedMixture,
  kindInWords,
  marks,
  mergeLabel,
  metadataChanges,
  placeInWords,
  scrapsByInterest,
  sideNotes,
  sourceOf,
  tally,
  timeLimitInWords,
  type HunkWords,
  type Word
} from './model';

function change(fields: Partial<ProposedChange> = {}): ProposedChange {
  return {
    change_id: 'c1',
    kind: 'modify',
    cell_id: 'c1',
    cell_type: 'code',
    base_index: 0,
    remote_index: 0,
    before: null,
    after: null,
    hunks: [],
    move: null,
    metadata_keys: [],
    lines_added: 0,
    lines_removed: 0,
    summary: '',
    state: 'pending',
    decision: null,
    rationale: null,
    ...fields
  };
}

function decision(fields: Partial<ChangeDecision>): ChangeDecision {
  return {
    decision: 'undecided',
    hunks: null,
    text: null,
    resolution: null,
    comment: null,
    ...fields
  };
}

function hunk(hunk_id: string): ProposedChange['hunks'][number] {
  return {
    hunk_id,
    base_start: 0,
    base_lines: 1,
    remote_start: 0,
    remote_lines: 1,
    before: 'a\n',
    after: 'b\n',
    words: []
  };
}

function proposal(fields: Partial<Proposal> = {}): Proposal {
  return {
    proposal_id: 'p',
    version: 1,
    path: 'a.ipynb',
    base_hash: null,
    proposal_hash: '0',
    title: 't',
    rationale: '',
    author: { kind: 'agent', name: 'bot' },
    state: 'open',
    stale: false,
    conflicted: false,
    document_missing: false,
    current_hash: null,
    supersedes: null,
    superseded_by: null,
    reverts: null,
    dependencies: [],
    changes: [],
    evidence: [],
    reviews: [],
    merges: [],
    merge: null,
    created_at: '2026-11-23T12:00:00Z',
    updated_at: '2026-11-23T12:00:00Z',
    ...fields
  };
}

const accepted = decision({ decision: 'accept' });
const rejected = decision({ decision: 'reject' });

describe('the order of changes', () => {
  it('is the order of the proposed notebook, with a deleted cell where it stood', () => {
    const changes = [
      change({ change_id: 'late', base_index: 3, remote_index: 4 }),
      change({ change_id: 'gone', kind: 'delete', base_index: 2, remote_index: null }),
      change({ change_id: 'new', kind: 'insert', base_index: null, remote_index: 2 }),
      change({ change_id: 'notebook', cell_id: null, base_index: null, remote_index: null })
    ];
    expect(inNotebookOrder(changes).map(c => c.change_id)).toEqual([
      'notebook',
      'gone',
      'new',
      'late'
    ]);
  });
});

describe('the counts', () => {
  const changes = [
    change({ decision: accepted }),
    change({ state: 'rejected', decision: rejected }),
    change({ state: 'applied', decision: accepted }),
    change({ decision: decision({}) }),
    change()
  ];

  it('tell decided from undecided, and what the next merge writes', () => {
    expect(tally(changes)).toEqual({
      total: 5,
      decided: 3,
      rejected: 1,
      applied: 1,
      unmerged: 4,
      mergeable: 1
    });
    expect(changes.map(isDecided)).toEqual([true, true, true, false, false]);
  });

  it('are said in words', () => {
    expect(counts(3, 1)).toBe('3 changes, 1 decided');
    expect(counts(1, 0)).toBe('1 change, 0 decided');
    expect(decisionsInWords(tally(changes))).toBe('1 merged, 1 accepted, 1 rejected, 2 undecided');
    expect(decisionsInWords(tally([change()]))).toBe('0 accepted, 0 rejected, 1 undecided');
    expect(mergeLabel(tally(changes))).toBe('Merge 1 of 4 changes');
    expect(mergeLabel(tally([change({ decision: accepted })]))).toBe('Merge 1 change');
    expect(mergeLabel(tally([change()]))).toBe('Merge');
  });
});

describe('a merge of a part', () => {
  it('is a notebook that nobody has run', () => {
    expect(isUntestedMixture([change({ decision: accepted }), change()])).toBe(true);
    const inPart = decision({ decision: 'accept', hunks: { h1: 'accept', h2: 'reject' } });
    expect(isUntestedMixture([change({ decision: inPart })])).toBe(true);
  });

  it('is not what a merge of everything is', () => {
    expect(isUntestedMixture([change({ decision: accepted })])).toBe(false);
    expect(isUntestedMixture([change({ state: 'applied', decision: accepted })])).toBe(false);
    expect(isUntestedMixture([change()])).toBe(false);
  });
});

describe('a change in words', () => {
  it('names the kind and the cell', () => {
    expect(kindInWords(change())).toBe('Edited code cell');
    expect(kindInWords(change({ kind: 'insert', cell_type: 'markdown' }))).toBe(
      'New markdown cell'
    );
    expect(kindInWords(change({ kind: 'metadata', cell_id: null, cell_type: null }))).toBe(
      'Changed metadata of the notebook'
    );
  });

  it('tells of a move and of a new type', () => {
    expect(sideNotes(change({ move: { from_index: 4, to_index: 1 } }))).toEqual([
      'Moved up: cell 5 becomes cell 2.'
    ]);
    const retyped = change({
      kind: 'retype',
      before: { cell_type: 'code' },
      after: { cell_type: 'markdown' }
    });
    expect(sideNotes(retyped)).toEqual(['Was a code cell, becomes a markdown cell.']);
  });

  it('shows metadata keys before and after, absent where they are absent', () => {
    const tagged = change({
      metadata_keys: ['tags'],
      before: { metadata: {} },
      after: { metadata: { tags: ['parameters'] } }
    });
    expect(metadataChanges(tagged)).toEqual([
      { key: 'tags', before: null, after: '["parameters"]' }
    ]);
  });

  it('reads a source of lines and a source of text alike', () => {
    expect(sourceOf({ source: ['a\n', 'b'] })).toBe('a\nb');
    expect(sourceOf({ source: 'a\nb' })).toBe('a\nb');
    expect(sourceOf(null)).toBe('');
  });
});

describe('deciding', () => {
  it('takes a word back when it is said twice', () => {
    expect(decideChange(change(), 'accept').decision).toBe('accept');
    expect(decideChange(change({ decision: accepted }), 'accept').decision).toBe('undecided');
    expect(decideChange(change({ decision: accepted }), 'reject').decision).toBe('reject');
  });

  const two = change({ hunks: [hunk('h1'), hunk('h2')] });

  it('leaves a change undecided until each of its hunks is decided', () => {
    expect(decideHunks(two, { h1: 'accept' })).toBeNull();
    expect(decideHunks(two, { h1: 'accept', h2: 'reject' })).toEqual(
      decision({ decision: 'accept', hunks: { h1: 'accept', h2: 'reject' } })
    );
  });

  it('is the plain word when all hunks are alike', () => {
    expect(decideHunks(two, { h1: 'reject', h2: 'reject' })).toEqual(rejected);
  });

  it('lets a hunk that is not named follow its change', () => {
    expect(hunkWords({ ...two, decision: accepted })).toEqual({ h1: 'accept', h2: 'accept' });
    const mixed = decision({ decision: 'accept', hunks: { h1: 'reject' } });
    expect(hunkWords({ ...two, decision: mixed })).toEqual({ h1: 'reject', h2: 'accept' });
    expect(hunkWords(two)).toEqual({});
  });

  it('keeps its word when all that is left is accepted or rejected', () => {
    const left = (changes: readonly ProposedChange[], words: HunkWords, word: Word): unknown =>
      decideRemaining(changes, () => words, word);
    const mixed = { h1: 'reject', h2: 'accept' } as const;
    expect(left([two], { h1: 'reject' }, 'accept')).toEqual({
      c1: decision({ decision: 'accept', hunks: mixed })
    });
    expect(left([two], { h2: 'accept' }, 'reject')).toEqual({
      c1: decision({ decision: 'accept', hunks: mixed })
    });
    expect(left([two], { h1: 'accept' }, 'accept')).toEqual({ c1: accepted });
    expect(left([two], {}, 'accept')).toEqual({});
    expect(left([{ ...two, decision: rejected }], { h1: 'accept' }, 'accept')).toEqual({});
  });

  it('is decided with the others where the server holds an undecided decision', () => {
    const kept = { ...change(), decision: decision({ decision: 'undecided' }) };
    expect(decideRemaining([kept], hunkWords, 'accept')).toEqual({ c1: accepted });
  });
});

describe('the time limit of an evidence', () => {
  it('is said, and so is that there is none', () => {
    expect(timeLimitInWords(600)).toBe('Each of the two runs is stopped after 10 min.');
    expect(timeLimitInWords(null)).toBe('Without a time limit.');
  });
});

describe('the place of an evidence', () => {
  it('is the sandbox, or the person', () => {
    expect(placeInWords({ sandboxed: true, state: 'completed' })).toMatch(/^Ran in the sandbox: /);
    expect(placeInWords({ sandboxed: false, state: 'failed' })).toMatch(/^Ran as you, /);
    expect(placeInWords({ sandboxed: true, state: 'running' })).toMatch(/^Runs in the sandbox: /);
  });
});

describe('the badges', () => {
  const texts = (p: Proposal): string[] => marks(p).map(mark => mark.text);

  it('say that a proposal nobody ran was not run', () => {
    expect(texts(proposal())).toEqual(['Open', 'Not run']);
  });

  it('say what is to be known about the base', () => {
    expect(texts(proposal({ stale: true }))).toContain('Notebook changed since');
    expect(texts(proposal({ document_missing: true, stale: true }))).toContain('Notebook is gone');
    expect(texts(proposal({ conflicted: true, stale: true }))).toContain('Conflicts');
  });

  it('do not call a merged proposal out of date', () => {
    expect(texts(proposal({ state: 'merged', stale: true }))).toEqual(['Merged', 'Not run']);
  });
});

describe('scraps', () => {
  it('show what changed first', () => {
    const scraps = scrapsByInterest([
      { name: 'a', before: 1, after: 1, change: 'same' },
      { name: 'c', before: 1, after: 2, change: 'changed' },
      { name: 'b', before: null, after: 2, change: 'added' }
    ]);
    expect(scraps.map(s => s.name)).toEqual(['b', 'c', 'a']);
  });

  it('tell by how much a number moved', () => {
    expect(difference({ name: 'x', before: 0.82, after: 0.91, change: 'changed' })).toBe('+0.09');
    expect(difference({ name: 'x', before: 5, after: 3, change: 'changed' })).toBe('−2');
    expect(difference({ name: 'x', before: 'a', after: 'b', change: 'changed' })).toBeNull();
  });

  it('are tables where they have columns and rows that fit', () => {
    expect(asTable({ columns: ['a', 'b'], rows: [[1, 2]] })).not.toBeNull();
    expect(asTable({ columns: ['a', 'b'], rows: [[1]] })).toBeNull();
    expect(asTable({ columns: ['a'], rows: [], name: 'x' })).toBeNull();
    expect(asTable([1, 2])).toBeNull();
  });
});
