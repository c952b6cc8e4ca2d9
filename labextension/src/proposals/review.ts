import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';

import type { Change, IChanges } from '../api/changes';
import type {
  ChangeDecision,
  Conflict,
  Evidence,
  HermesClient,
  Proposal,
  ProposedChange,
  ReviewRequest
} from '../api/client';
import { describe, HermesError } from '../api/errors';
import { count } from '../components/words';
import {
  decideHunks,
  decideRemaining,
  hunkWords,
  isDecided,
  type HunkWords,
  type Word
} from './model';
import type { OpenNotebooks } from './open_notebook';
import { outputsByCell, type OutputsByCell } from './outputs_model';

/** Outputs of the two runs of one evidence. */
export interface IEvidenceOutputs {
  readonly evidenceId: string;
  readonly before: OutputsByCell;
  readonly after: OutputsByCell;
}

/** What the review page shows. */
export interface IReviewState {
  readonly proposal: Proposal | null;
  /** Why the proposal cannot be shown, or why what is shown of it may be out of date. */
  readonly loadError: string | null;
  /** MIME type of the code cells. */
  readonly language: string;
  readonly outputs: IEvidenceOutputs | null;
  /** Words about single hunks of changes that are not decided as a whole yet. */
  readonly drafts: ReadonlyMap<string, HunkWords>;
  /** A request is on its way: buttons wait for its answer. */
  readonly isBusy: boolean;
  /** What the last action came to, where a person must know. */
  readonly problem: string | null;
  readonly conflicts: readonly Conflict[];
  /** A merge waits because the open notebook has edits that are not saved. */
  readonly asksToSave: boolean;
}

const INITIAL: IReviewState = {
  proposal: null,
  loadError: null,
  language: 'text/x-python',
  outputs: null,
  drafts: new Map(),
  isBusy: false,
  problem: null,
  conflicts: [],
  asksToSave: false
};

/**
 * One proposal under review: what is known of it, and what a person can do about it.
 *
 * Every decision is sent at once; the proposal that the server answers is what is shown.
 */
export class ProposalReview implements IDisposable {
  constructor(
    readonly proposalId: string,
    private readonly _client: HermesClient,
    private readonly _changes: IChanges,
    private readonly _notebooks: OpenNotebooks
  ) {
    _changes.changed.connect(this._onChange, this);
    void this.refresh();
  }

  get state(): IReviewState {
    return this._state;
  }

  get stateChanged(): ISignal<this, IReviewState> {
    return this._stateChanged;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this._changes.changed.disconnect(this._onChange, this);
    Signal.clearData(this);
  }

  /** Fetch the proposal again. Calls during a fetch lead to one more. */
  async refresh(): Promise<void> {
    if (this._isFetching) {
      this._fetchAgain = true;
      return;
    }
    this._isFetching = true;
    do {
      this._fetchAgain = false;
      await this._fetch();
    } while (this._fetchAgain && !this._isDisposed);
    this._isFetching = false;
  }

  /** Say accept or reject about a change, or take it back. */
  decide(change: ProposedChange, decision: ChangeDecision): Promise<boolean> {
    return this._review({ decisions: { [change.change_id]: decision } }, [change.change_id]);
  }

  /** Say accept or reject about one hunk; the change is decided when each of its hunks is. */
  decideHunk(change: ProposedChange, hunkId: string, word: Word): Promise<boolean> {
    if (this._state.isBusy) {
      return Promise.resolve(false);
    }
    const words = { ...this.hunkWordsOf(change), [hunkId]: word };
    const decision = decideHunks(change, words);
    if (decision) {
      return this.decide(change, decision);
    }
    this._set({ drafts: new Map(this._state.drafts).set(change.change_id, words) });
    return Promise.resolve(true);
  }

  /** What was said about the hunks of a change, drafts included. */
  hunkWordsOf(change: ProposedChange): HunkWords {
    const draft = isDecided(change) ? undefined : this._state.drafts.get(change.change_id);
    return draft ?? hunkWords(change);
  }

  /** Comment on a change; what was decided about it stays. Answers whether the comment was taken. */
  comment(change: ProposedChange, text: string): Promise<boolean> {
    const decision = change.decision ?? {
      decision: 'undecided' as const,
      hunks: null,
      text: null,
      resolution: null
    };
    return this._review({ decisions: { [change.change_id]: { ...decision, comment: text } } });
  }

  /** Accept all that is not decided; a hunk that was rejected stays rejected. */
  acceptRemaining(): Promise<boolean> {
    const changes = this._state.proposal?.changes ?? [];
    const decisions = decideRemaining(changes, change => this.hunkWordsOf(change), 'accept');
    return this._review({ verdict: 'accept', decisions }, [...this._state.drafts.keys()]);
  }

  /** Reject the proposal as a whole, whatever was said about its parts. */
  rejectAll(): Promise<boolean> {
    return this._review({ verdict: 'reject' }, [...this._state.drafts.keys()]);
  }

  runEvidence(): Promise<boolean> {
    return this._act(async () => {
      await this._client.createEvidence(this.proposalId);
    });
  }

  decideEvidence(evidence: Evidence, decision: 'allow' | 'deny'): Promise<boolean> {
    return this._act(async () => {
      await this._client.decideEvidence(evidence.evidence_id, decision);
    });
  }

  /** Write what was accepted into the notebook; asks first when the open notebook has edits that are not saved. */
  async merge(): Promise<void> {
    const { proposal } = this._state;
    if (!proposal) {
      return;
    }
    if (this._notebooks.hasEdits(proposal.path)) {
      this._set({ asksToSave: true });
      return;
    }
    await this._act(() => this._merge(proposal.path));
  }

  /** Save the open notebook, then merge. */
  async saveAndMerge(): Promise<void> {
    const { proposal } = this._state;
    if (!proposal) {
      return;
    }
    await this._act(async () => {
      await this._notebooks.save(proposal.path);
      await this._merge(proposal.path);
    });
  }

  /** Do not merge now. */
  cancelMerge(): void {
    this._set({ asksToSave: false });
  }

  dismissProblem(): void {
    this._set({ problem: null });
  }

  private async _merge(path: string): Promise<void> {
    const proposal = await this._client.mergeProposal(this.proposalId);
    this._show(proposal);
    this._set({ conflicts: [], asksToSave: false });
    const followed = proposal.merge && (await this._notebooks.follow(path, proposal.merge.hash));
    if (followed === 'has_edits' || followed === 'is_running') {
      const why = followed === 'has_edits' ? 'has new edits' : 'is running code';
      const problem = `Merged. The open notebook ${why}, so it still shows the text from before the merge.`;
      this._set({ problem });
    }
  }

  /** Send a review; what it settles is no draft any more once the server has taken it. */
  private _review(review: ReviewRequest, settled: readonly string[] = []): Promise<boolean> {
    return this._act(async () => {
      const proposal = await this._client.reviewProposal(this.proposalId, review);
      this._forgetDrafts(settled);
      this._show(proposal);
    });
  }

  /** Do one thing at a time, and tell what went wrong. Answers whether it was done. */
  private async _act(action: () => Promise<void>): Promise<boolean> {
    if (this._state.isBusy) {
      return false;
    }
    this._set({ isBusy: true, problem: null });
    try {
      await action();
      return true;
    } catch (error) {
      this._set({ problem: describe(error), asksToSave: false, ...inConflict(error) });
      return false;
    } finally {
      this._set({ isBusy: false });
      void this.refresh();
    }
  }

  private async _fetch(): Promise<void> {
    try {
      if (!this._knowsLanguage) {
        await this._fetchLanguage();
      }
      const proposal = await this._client.getProposal(this.proposalId);
      this._show(proposal);
      await this._fetchOutputs(proposal);
    } catch (error) {
      this._set({ loadError: describe(error) });
    }
  }

  private async _fetchLanguage(): Promise<void> {
    const { proposed } = await this._client.getProposalNotebooks(this.proposalId);
    this._knowsLanguage = true;
    const mimetype = languageOf(proposed);
    if (mimetype !== null) {
      this._set({ language: mimetype });
    }
  }

  /** The outputs belong to the evidence that is shown, the newest; an older one may have run something else. */
  private async _fetchOutputs(proposal: Proposal): Promise<void> {
    const [evidence] = proposal.evidence;
    if (evidence?.state !== 'completed') {
      this._set({ outputs: null });
      return;
    }
    if (evidence.evidence_id === this._state.outputs?.evidenceId) {
      return;
    }
    this._set({ outputs: null });
    const [before, after] = await Promise.all(
      [evidence.base, evidence.proposal].map(run => this._outputsOf(run?.run_id))
    );
    this._set({
      outputs: {
        evidenceId: evidence.evidence_id,
        before: before ?? new Map(),
        after: after ?? new Map()
      }
    });
  }

  private async _outputsOf(runId: string | undefined): Promise<OutputsByCell> {
    if (runId === undefined) {
      return new Map();
    }
    const { notebook } = await this._client.getRunNotebook(runId);
    return outputsByCell(notebook);
  }

  private _show(proposal: Proposal): void {
    const shown = this._state.proposal;
    if (shown && shown.version > proposal.version) {
      return;
    }
    this._set({ proposal, loadError: null });
  }

  private _forgetDrafts(changeIds: readonly string[]): void {
    const { drafts, conflicts } = this._state;
    this._set({
      drafts: new Map([...drafts].filter(([changeId]) => !changeIds.includes(changeId))),
      conflicts: conflicts.filter(c => !changeIds.includes(c.change_id))
    });
  }

  private _set(fields: Partial<IReviewState>): void {
    if (!this._isDisposed) {
      this._state = { ...this._state, ...fields };
      this._stateChanged.emit(this._state);
    }
  }

  private _onChange(_: unknown, change: Change): void {
    if (change === null || this._concerns(change)) {
      void this.refresh();
    }
  }

  private _concerns({ noun, id }: NonNullable<Change>): boolean {
    if (noun === 'proposals') {
      return id === this.proposalId;
    }
    const evidence = this._state.proposal?.evidence ?? [];
    const runs = evidence.flatMap(({ base, proposal }) => [base?.run_id, proposal?.run_id]);
    // Evidence that was made just now is not known here by its id yet.
    return noun === 'evidence' || (noun === 'runs' && runs.includes(id));
  }

  private _state = INITIAL;
  private _stateChanged = new Signal<this, IReviewState>(this);
  private _knowsLanguage = false;
  private _isFetching = false;
  private _fetchAgain = false;
  private _isDisposed = false;
}

/** What is shown when accepted changes overlap newer edits. */
function inConflict(error: unknown): Pick<IReviewState, 'conflicts' | 'problem'> | undefined {
  if (!(error instanceof HermesError) || error.code !== 'merge_conflict') {
    return undefined;
  }
  const conflicts = (error.details.conflicts ?? []) as readonly Conflict[];
  const overlapping = count(new Set(conflicts.map(({ change_id }) => change_id)).size, 'change');
  const problem = `Nothing was written: newer edits of the notebook overlap ${overlapping}. Choose whose version is merged, then merge again.`;
  return { conflicts, problem };
}

function languageOf(notebook: Readonly<Record<string, unknown>>): string | null {
  const metadata = notebook.metadata as
    { language_info?: { mimetype?: unknown; name?: unknown } } | undefined;
  const mimetype = metadata?.language_info?.mimetype;
  return typeof mimetype === 'string' ? mimetype : null;
}
