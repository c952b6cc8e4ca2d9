import * as React from 'react';

import type { ProposedChange } from '../api/client';
import { Badge } from '../components/badge';
import { Lazy } from '../components/lazy';
import { PersonButton } from '../components/person_button';
import { ChangeComments } from './comments';
import { ConflictView } from './conflict';
import { hunkRanges } from './hunk_ranges';
import {
  changesSource,
  choosableHunks,
  commentsOn,
  decideChange,
  kindInWords,
  metadataChanges,
  resolve,
  sideNotes,
  sourceOf,
  takesReviews,
  type Word
} from './model';
import { areSame, hasOutputs, pairOf } from './outputs_model';
import { BeforeAfter, Markdown, OutputPair } from './rendered';
import type { IReviewContext } from './review_context';
import type { IHunkBars, ISourceDiffOptions } from './source_diff';
import { SourceDiffView, useLanguage } from './source_diff_view';

interface IChangeProps {
  readonly context: IReviewContext;
  readonly change: ProposedChange;
}

/** One change: what it is, how it looks before and after, and what a person says about it. */
export function ChangeCard({ context, change }: IChangeProps): JSX.Element {
  const titleId = React.useId();
  const { review, state, proposal } = context;
  const conflicts = state.conflicts.filter(c => c.change_id === change.change_id);
  const canComment = takesReviews(proposal) && change.state !== 'applied';
  return (
    <article
      className="jp-Hermes-card jp-Hermes-change"
      aria-labelledby={titleId}
      data-decision={decisionWord(change)}
    >
      <header className="jp-Hermes-change-header">
        <h3 id={titleId}>{kindInWords(change)}</h3>
        <Place change={change} />
        <span className="jp-Hermes-spring" />
        <Decision context={context} change={change} />
      </header>
      {change.rationale && <Markdown rendermime={context.rendermime} text={change.rationale} />}
      {sideNotes(change).map(note => (
        <p key={note} className="jp-Hermes-note">
          {note}
        </p>
      ))}
      <Lazy className="jp-Hermes-change-body" estimatedHeight={estimatedHeight(change)}>
        {changesSource(change) && <Source context={context} change={change} />}
        {change.cell_type === 'markdown' && changesSource(change) && (
          <RenderedMarkdown context={context} change={change} />
        )}
        <MetadataTable change={change} />
        <ChangeOutputs context={context} change={change} />
      </Lazy>
      {conflicts.map((conflict, index) => (
        <ConflictView
          key={index}
          conflict={conflict}
          languages={context.languages}
          mimetype={mimetypeOf(change, state.language)}
          isBusy={state.isBusy}
          isFirst={conflict === state.conflicts[0]}
          onResolve={resolution => void review.decide(change, resolve(change, resolution))}
        />
      ))}
      <ChangeComments
        comments={commentsOn(proposal, change.change_id)}
        onComment={canComment ? text => review.comment(change, text) : null}
        subject={kindInWords(change)}
      />
    </article>
  );
}

const LINE_HEIGHT = 18;
const MOST_LINES = 60;

/** About how tall the difference will be, in pixels. */
function estimatedHeight(change: ProposedChange): number {
  const lines = Math.max(
    sourceOf(change.before).split('\n').length,
    sourceOf(change.after).split('\n').length
  );
  return changesSource(change)
    ? Math.min(lines + change.hunks.length, MOST_LINES) * LINE_HEIGHT
    : 0;
}

function mimetypeOf(change: ProposedChange, language: string): string {
  const types = { code: language, markdown: 'text/x-ipythongfm', raw: 'text/plain' };
  return types[change.cell_type ?? 'raw'];
}

function decisionWord(change: ProposedChange): string {
  return change.state === 'applied' ? 'applied' : (change.decision?.decision ?? 'undecided');
}

function Place({ change }: { readonly change: ProposedChange }): JSX.Element {
  const index = change.remote_index ?? change.base_index;
  const cell = change.cell_id === null || index === null ? '' : `Cell ${index + 1}. `;
  return (
    <span className="jp-Hermes-place">
      {cell}
      {change.kind === 'modify' && change.summary}
    </span>
  );
}

function Decision({ context, change }: IChangeProps): JSX.Element {
  const { review, state, proposal } = context;
  if (change.state === 'applied') {
    return <Badge tone="good" text="Merged" />;
  }
  if (!takesReviews(proposal)) {
    return <Badge tone="quiet" text={change.state === 'rejected' ? 'Rejected' : 'Not merged'} />;
  }
  const isPartly = change.decision?.decision === 'accept' && change.decision.hunks;
  const button = (word: Word, label: string): JSX.Element => (
    <PersonButton
      label={label}
      look={word}
      ariaLabel={`${label}: ${kindInWords(change)}`}
      pressed={change.decision?.decision === word}
      disabled={state.isBusy}
      onPress={() => void review.decide(change, decideChange(change, word))}
    />
  );
  return (
    <div className="jp-Hermes-decision" role="group" aria-label="Decision">
      {isPartly && <Badge tone="active" text="In part" />}
      {button('accept', 'Accept')}
      {button('reject', 'Reject')}
    </div>
  );
}

function Source({ context, change }: IChangeProps): JSX.Element {
  const { review, state } = context;
  const language = useLanguage(context.languages, mimetypeOf(change, state.language));
  const before = change.before && sourceOf(change.before);
  const after = change.after && sourceOf(change.after);
  const { layout } = context;
  const { isBusy } = state;
  const label = kindInWords(change);
  const hunkKey = JSON.stringify(change.hunks);
  const options = React.useMemo(
    (): ISourceDiffOptions | null =>
      language === undefined
        ? null
        : {
            before,
            after,
            ranges: hunkRanges(before ?? '', after ?? '', change.hunks),
            layout,
            language,
            label
          },
    // Hunks arrive as new objects with every answer; their content is what matters.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [before, after, hunkKey, layout, language, label]
  );
  const canDecide = takesReviews(context.proposal) && change.state !== 'applied';
  const hasBars = canDecide && choosableHunks(change).length > 0;
  const wordsKey = JSON.stringify(review.hunkWordsOf(change));
  const latest = React.useRef(change);
  latest.current = change;
  const bars = React.useMemo(
    (): IHunkBars | null =>
      hasBars
        ? {
            words: JSON.parse(wordsKey) as Record<string, Word>,
            isEnabled: !isBusy,
            onDecide: (hunkId, word) => void review.decideHunk(latest.current, hunkId, word)
          }
        : null,
    [hasBars, wordsKey, isBusy, review]
  );
  return <SourceDiffView options={options} bars={bars} />;
}

function RenderedMarkdown({ context, change }: IChangeProps): JSX.Element {
  const side = (cell: ProposedChange['before']): JSX.Element =>
    cell === null ? (
      <p className="jp-Hermes-none">Not in this version</p>
    ) : (
      <Markdown rendermime={context.rendermime} text={sourceOf(cell)} />
    );
  if (change.before === null || change.after === null) {
    return (
      <section className="jp-Hermes-outputs" aria-label="Rendered">
        <h4>Rendered</h4>
        {side(change.after ?? change.before)}
      </section>
    );
  }
  return (
    <section className="jp-Hermes-outputs" aria-label="Rendered">
      <h4>Rendered</h4>
      <BeforeAfter before={side(change.before)} after={side(change.after)} />
    </section>
  );
}

function MetadataTable({ change }: { readonly change: ProposedChange }): JSX.Element | null {
  const rows = change.kind === 'insert' || change.kind === 'delete' ? [] : metadataChanges(change);
  if (rows.length === 0) {
    return null;
  }
  const value = (text: string | null): JSX.Element =>
    text === null ? <span className="jp-Hermes-none">not set</span> : <code>{text}</code>;
  return (
    <table className="jp-Hermes-table">
      <caption>Metadata</caption>
      <thead>
        <tr>
          <th scope="col">Key</th>
          <th scope="col">Before</th>
          <th scope="col">After</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(row => (
          <tr key={row.key}>
            <th scope="row">{row.key}</th>
            <td>{value(row.before)}</td>
            <td>{value(row.after)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function ChangeOutputs({ context, change }: IChangeProps): JSX.Element | null {
  const { outputs } = context.state;
  if (!outputs || change.cell_type !== 'code' || change.cell_id === null) {
    return null;
  }
  const pair = pairOf(outputs.before, outputs.after, change.cell_id);
  if (!hasOutputs(pair)) {
    return null;
  }
  if (areSame(pair)) {
    return <p className="jp-Hermes-note">The outputs are the same before and after.</p>;
  }
  return (
    <section className="jp-Hermes-outputs" aria-label="Outputs of the evidence runs">
      <h4>Outputs</h4>
      <OutputPair rendermime={context.rendermime} before={pair.before} after={pair.after} />
    </section>
  );
}
