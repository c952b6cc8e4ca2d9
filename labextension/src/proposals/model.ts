/**
 * What a proposal says to a person: order, counts, words, and the decisions that buttons stand for. Pure.
 */
import type {
  Author,
  ChangeDecision,
  Evidence,
  Hunk,
  Proposal,
  ProposalSummary,
  ProposedChange,
  ScrapChange
} from '../api/client';
import type { Tone } from '../components/badge';
import { duration } from '../components/moment';
import { count } from '../components/words';

export type Word = 'accept' | 'reject';
export type Resolution = NonNullable<ChangeDecision['resolution']>;

/** A short text with the tone it is shown in. */
export interface IMark {
  readonly tone: Tone;
  readonly text: string;
  readonly title?: string;
}

/** How many changes stand where. Counts are of changes, not hunks. */
export interface ITally {
  readonly total: number;
  readonly decided: number;
  readonly rejected: number;
  readonly applied: number;
  /** Not merged yet, whatever was decided. */
  readonly unmerged: number;
  /** Accepted and not yet merged: what the next merge writes. */
  readonly mergeable: number;
}

/**
 * The changes as a reader of the notebook meets them: by their place in the proposed notebook, a deleted cell
 * where it stood, the notebook's own metadata first.
 */
export function inNotebookOrder(changes: readonly ProposedChange[]): readonly ProposedChange[] {
  return [...changes].sort((a, b) => place(a) - place(b) || tieBreak(a) - tieBreak(b));
}

function place(change: ProposedChange): number {
  return change.remote_index ?? change.base_index ?? -1;
}

function tieBreak(change: ProposedChange): number {
  return change.remote_index === null ? 0 : 1;
}

/** Whether a person has said all there is to say about a change. */
export function isDecided(change: ProposedChange): boolean {
  return change.state !== 'pending' || (change.decision?.decision ?? 'undecided') !== 'undecided';
}

export function tally(changes: readonly ProposedChange[]): ITally {
  const inState = (state: ProposedChange['state']): number =>
    changes.filter(c => c.state === state).length;
  const applied = inState('applied');
  const mergeable = changes.filter(
    c => c.state === 'pending' && c.decision?.decision === 'accept'
  ).length;
  return {
    total: changes.length,
    decided: changes.filter(isDecided).length,
    rejected: inState('rejected'),
    applied,
    unmerged: changes.length - applied,
    mergeable
  };
}

/** "3 changes, 1 decided". */
export function counts(total: number, decided: number): string {
  return `${count(total, 'change')}, ${decided} decided`;
}

/** Whether the next merge makes a notebook that no evidence has run: not the base, and not all that is proposed. */
export function isUntestedMixture(changes: readonly ProposedChange[]): boolean {
  const isWhole = (change: ProposedChange): boolean =>
    change.state === 'applied' ||
    (change.decision?.decision === 'accept' &&
      !change.decision.hunks &&
      change.decision.text === null);
  return tally(changes).mergeable > 0 && !changes.every(isWhole);
}

/** "1 merged, 2 accepted, 0 rejected, 3 undecided". */
export function decisionsInWords(sums: ITally): string {
  const merged = sums.applied > 0 ? `${sums.applied} merged, ` : '';
  const undecided = sums.total - sums.decided;
  return `${merged}${sums.mergeable} accepted, ${sums.rejected} rejected, ${undecided} undecided`;
}

/** What the merge button will do. */
export function mergeLabel({ mergeable, unmerged }: ITally): string {
  if (mergeable === 0) {
    return 'Merge';
  }
  if (mergeable === unmerged) {
    return `Merge ${count(mergeable, 'change')}`;
  }
  return `Merge ${mergeable} of ${count(unmerged, 'change')}`;
}

const KINDS: Readonly<Record<ProposedChange['kind'], string>> = {
  insert: 'New',
  delete: 'Deleted',
  modify: 'Edited',
  move: 'Moved',
  retype: 'Changed type of',
  metadata: 'Changed metadata of',
  outputs: 'Changed outputs of'
};

/** "Edited code cell", "New markdown cell", "Changed metadata of the notebook". */
export function kindInWords(change: ProposedChange): string {
  const what = change.cell_id === null ? 'the notebook' : `${change.cell_type ?? ''} cell`.trim();
  return `${KINDS[change.kind]} ${what}`;
}

/** What happened besides the source: a move and metadata, in words; nothing for a plain edit. */
export function sideNotes(change: ProposedChange): readonly string[] {
  const notes: string[] = [];
  if (change.move) {
    const direction = change.move.to_index < change.move.from_index ? 'up' : 'down';
    notes.push(
      `Moved ${direction}: cell ${change.move.from_index + 1} becomes cell ${change.move.to_index + 1}.`
    );
  }
  if (change.kind === 'retype') {
    notes.push(`Was a ${cellType(change.before)} cell, becomes a ${cellType(change.after)} cell.`);
  }
  return notes;
}

function cellType(cell: ProposedChange['before']): string {
  return typeof cell?.cell_type === 'string' ? cell.cell_type : 'unknown';
}

/** One metadata key before and after, as JSON text; null where it is absent. */
export interface IMetadataChange {
  readonly key: string;
  readonly before: string | null;
  readonly after: string | null;
}

export function metadataChanges(change: ProposedChange): readonly IMetadataChange[] {
  const read = (cell: ProposedChange['before'], key: string): string | null => {
    const metadata: unknown = cell?.metadata;
    if (typeof metadata !== 'object' || metadata === null || !(key in metadata)) {
      return null;
    }
    return JSON.stringify((metadata as Record<string, unknown>)[key]);
  };
  return change.metadata_keys.map(key => ({
    key,
    before: read(change.before, key),
    after: read(change.after, key)
  }));
}

/** The source of a cell as one text; notebooks may hold it as lines. */
export function sourceOf(cell: ProposedChange['before']): string {
  const source: unknown = cell?.source;
  if (Array.isArray(source)) {
    return source.join('');
  }
  return typeof source === 'string' ? source : '';
}

/** Whether the text of the cell differs. */
export function changesSource(change: ProposedChange): boolean {
  return sourceOf(change.before) !== sourceOf(change.after);
}

/** Hunks are offered one by one only where there is a choice. */
export function choosableHunks(change: ProposedChange): readonly Hunk[] {
  return change.kind === 'modify' && change.hunks.length > 1 ? change.hunks : [];
}

/** What was decided about hunks, by their ids. */
export type HunkWords = Readonly<Record<string, Word>>;

/** What was decided about each hunk; one that a decision does not name follows its change. */
export function hunkWords(change: ProposedChange): HunkWords {
  const { decision, hunks } = change.decision ?? { decision: 'undecided', hunks: null };
  const words: Record<string, Word> = {};
  for (const { hunk_id } of change.hunks) {
    const word = hunks?.[hunk_id] ?? decision;
    if (word !== 'undecided') {
      words[hunk_id] = word;
    }
  }
  return words;
}

/** Accept or reject all of a change; the word that holds already is taken back. */
export function decideChange(change: ProposedChange, word: Word): ChangeDecision {
  const isTakenBack = change.decision?.decision === word && !change.decision.hunks;
  return plainDecision(isTakenBack ? 'undecided' : word);
}

/**
 * The decision that the words about single hunks come to, or null while a hunk is undecided. All alike is the plain
 * word; mixed is an acceptance that names the hunks.
 */
export function decideHunks(change: ProposedChange, words: HunkWords): ChangeDecision | null {
  const said = change.hunks.map(({ hunk_id }) => words[hunk_id]);
  const [first] = said;
  if (first === undefined || said.includes(undefined)) {
    return null;
  }
  if (said.every(word => word === first)) {
    return plainDecision(first);
  }
  return { ...plainDecision('accept'), hunks: { ...words } };
}

/**
 * The decisions of a word about all that is left: where single hunks of an undecided change were spoken about, they
 * keep their word and the others follow. Changes about which nothing was said follow the verdict of a review.
 */
export function decideRemaining(
  changes: readonly ProposedChange[],
  wordsOf: (change: ProposedChange) => HunkWords,
  word: Word
): Readonly<Record<string, ChangeDecision>> {
  const decisions: Record<string, ChangeDecision> = {};
  for (const change of changes.filter(c => !isDecided(c))) {
    const said = wordsOf(change);
    if (change.decision !== null || Object.keys(said).length > 0) {
      const all = change.hunks.map(({ hunk_id }) => [hunk_id, said[hunk_id] ?? word] as const);
      decisions[change.change_id] =
        decideHunks(change, Object.fromEntries(all)) ?? plainDecision(word);
    }
  }
  return decisions;
}

/** Accept a change that conflicts, and say whose text wins. */
export function resolve(change: ProposedChange, resolution: Resolution): ChangeDecision {
  return { ...plainDecision('accept'), hunks: change.decision?.hunks ?? null, resolution };
}

function plainDecision(decision: ChangeDecision['decision']): ChangeDecision {
  return { decision, hunks: null, text: null, resolution: null, comment: null };
}

const EVIDENCE_MARKS: Readonly<Record<ProposalSummary['evidence'], IMark>> = {
  none: { tone: 'quiet', text: 'Not run', title: 'Nobody has run this proposal yet' },
  awaiting_approval: {
    tone: 'warn',
    text: 'Waits for you',
    title: 'It runs the proposed code, and waits for a person to let it'
  },
  pending: { tone: 'active', text: 'Waits to run', title: 'The evidence run has not started yet' },
  running: { tone: 'active', text: 'Running', title: 'Base and proposal are being run' },
  green: { tone: 'good', text: 'Runs OK', title: 'The proposal ran without an error' },
  red: { tone: 'bad', text: 'Fails', title: 'The proposal ran and failed' },
  failed: { tone: 'warn', text: 'No result', title: 'The evidence could not be produced' }
};

export function evidenceMark(evidence: ProposalSummary['evidence']): IMark {
  return EVIDENCE_MARKS[evidence];
}

/** Where a proposal's newest evidence stands, in the words of a list. */
export function evidenceWord(evidence: Evidence | undefined): ProposalSummary['evidence'] {
  if (!evidence) {
    return 'none';
  }
  if (evidence.awaiting_approval) {
    return 'awaiting_approval';
  }
  return evidence.state === 'completed' ? (evidence.verdict ?? 'failed') : evidence.state;
}

/** How long each of the two runs of an evidence may take; `seconds` is null where there is no limit. */
export function timeLimitInWords(seconds: number | null): string {
  return seconds === null
    ? 'Without a time limit.'
    : `Each of the two runs is stopped after ${duration(seconds)}.`;
}

/** Where the code of an evidence ran or runs, and what it could reach. */
export function placeInWords(evidence: Pick<Evidence, 'sandboxed' | 'state'>): string {
  const verb = evidence.state === 'running' || evidence.state === 'pending' ? 'Runs' : 'Ran';
  return evidence.sandboxed
    ? `${verb} in the sandbox: no network, none of your files but a copy of the folder.`
    : `${verb} as you, with your rights.`;
}

const STATE_MARKS: Readonly<Record<Proposal['state'], IMark>> = {
  open: { tone: 'active', text: 'Open' },
  merged: { tone: 'good', text: 'Merged' },
  rejected: { tone: 'bad', text: 'Rejected' },
  withdrawn: { tone: 'quiet', text: 'Withdrawn' },
  superseded: { tone: 'quiet', text: 'Superseded' }
};

export function stateMark(state: Proposal['state']): IMark {
  return STATE_MARKS[state];
}

/** The badges of a proposal's header: state, evidence, and what is to be known about its base. */
export function marks(proposal: Proposal): readonly IMark[] {
  const newest = proposal.evidence[0];
  const all: IMark[] = [stateMark(proposal.state), evidenceMark(evidenceWord(newest))];
  if (newest?.stale) {
    all.push({
      tone: 'warn',
      text: 'Evidence is stale',
      title: 'The notebook, the proposal or the environment changed after it ran'
    });
  }
  if (proposal.document_missing) {
    all.push({ tone: 'warn', text: 'Notebook is gone', title: 'There is no file at this path' });
  } else if (proposal.conflicted) {
    all.push({ tone: 'bad', text: 'Conflicts', title: 'A change overlaps newer edits' });
  } else if (proposal.stale && proposal.state === 'open') {
    all.push({
      tone: 'warn',
      text: 'Notebook changed since',
      title: 'The notebook is no longer the one this was proposed for; a merge takes both sides'
    });
  }
  return all;
}

/** Whether people can still decide: it is open, or was rejected and may be thought over. */
export function takesReviews(proposal: Proposal): boolean {
  return proposal.state === 'open' || proposal.state === 'rejected';
}

/** A comment on one change (or on all of them, `change_id` null), with who wrote it and when. */
export interface IComment {
  readonly author: Author;
  readonly created_at: string;
  readonly text: string;
}

export function commentsOn(proposal: Proposal, changeId: string | null): readonly IComment[] {
  return proposal.reviews.flatMap(({ author, created_at, comments }) =>
    comments
      .filter(comment => comment.change_id === changeId)
      .map(({ text }) => ({ author, created_at, text }))
  );
}

/** Scraps with something to see first, each group by name. */
export function scrapsByInterest(scraps: readonly ScrapChange[]): readonly ScrapChange[] {
  const rank = (scrap: ScrapChange): number => (scrap.change === 'same' ? 1 : 0);
  return [...scraps].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
}

/** "+0.09", "−2" where both sides are numbers and differ; null otherwise. */
export function difference(scrap: ScrapChange): string | null {
  const { before, after } = scrap as { before: unknown; after: unknown };
  if (typeof before !== 'number' || typeof after !== 'number' || before === after) {
    return null;
  }
  const size = Number(Math.abs(after - before).toPrecision(4));
  return `${after > before ? '+' : '−'}${size}`;
}

/** A scrap that is a table, as the server decodes those of pandas and Arrow. */
export interface ITable {
  readonly columns: readonly unknown[];
  readonly rows: readonly (readonly unknown[])[];
}

/** The value as a table; null where it is something else. */
export function asTable(value: object): ITable | null {
  const { columns, rows } = value as { columns?: unknown; rows?: unknown };
  const isTable =
    Object.keys(value).length === 2 &&
    Array.isArray(columns) &&
    Array.isArray(rows) &&
    rows.every(row => Array.isArray(row) && row.length === columns.length);
  return isTable ? (value as ITable) : null;
}

/** Open proposals, and those that have ended, each in the order given. */
export function byAttention(proposals: readonly ProposalSummary[]): {
  readonly open: readonly ProposalSummary[];
  readonly ended: readonly ProposalSummary[];
} {
  return {
    open: proposals.filter(({ state }) => state === 'open'),
    ended: proposals.filter(({ state }) => state !== 'open')
  };
}
