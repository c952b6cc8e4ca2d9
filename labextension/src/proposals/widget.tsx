import { MainAreaWidget, ReactWidget } from '@jupyterlab/apputils';
import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import * as React from 'react';

import { Lazy } from '../components/lazy';
import { useObservable, type IObservable } from '../components/observable';
import { count } from '../components/words';
import { hermesIcon } from '../icon';
import { ChangeCard } from './change_card';
import { EvidencePanel } from './evidence_panel';
import { ProposalHeader } from './header';
import { MergeBar } from './merge_bar';
import { inNotebookOrder } from './model';
import { affectedCells, type IAffectedCell } from './outputs_model';
import { OutputPair } from './rendered';
import type { ProposalReview } from './review';
import type { IReviewContext } from './review_context';
import type { DiffLayout } from './source_diff';

export interface IReviewPageOptions {
  readonly review: ProposalReview;
  readonly rendermime: IRenderMimeRegistry;
  readonly languages: IEditorLanguageRegistry;
  /** The layout of differences, remembered for all proposals. */
  readonly layout: IObservable<DiffLayout>;
  readonly onLayout: (layout: DiffLayout) => void;
  readonly onOpenNotebook: (path: string) => void;
}

/** The page on which a person reads a proposal, decides and merges. */
export class ReviewPage extends MainAreaWidget<ReactWidget> {
  constructor(options: IReviewPageOptions) {
    const content = ReactWidget.create(<Page {...options} />);
    super({ content });
    const { review } = options;
    this.proposalId = review.proposalId;
    this.id = `hermes-proposal-${review.proposalId}`;
    this.addClass('jp-Hermes-page');
    this.title.icon = hermesIcon;
    this.title.label = 'Proposal';
    this.title.closable = true;
    this.toolbar.hide();
    review.stateChanged.connect((_, { proposal }) => {
      this.title.label = proposal?.title ?? 'Proposal';
      this.title.caption = proposal ? `${proposal.title}\n${proposal.path}` : '';
    });
    this.disposed.connect(() => review.dispose());
  }

  readonly proposalId: string;
}

function Page(props: IReviewPageOptions): JSX.Element {
  const { review, rendermime, languages } = props;
  const state = useObservable(review);
  const layout = useObservable(props.layout);
  const { proposal, loadError } = state;
  if (!proposal) {
    return loadError === null ? (
      <div className="jp-Hermes-body" aria-busy="true">
        <div className="jp-Hermes-loading" role="status" aria-label="Loading the proposal">
          <span />
          <span />
          <span />
        </div>
      </div>
    ) : (
      <div className="jp-Hermes-body">
        <LoadProblem review={review} problem={loadError} />
      </div>
    );
  }
  const context: IReviewContext = { review, state, proposal, layout, rendermime, languages };
  return (
    <div className="jp-Hermes-review" aria-busy={state.isBusy}>
      <div className="jp-Hermes-scroll" role="region" aria-label="Proposal" tabIndex={0}>
        <div className="jp-Hermes-body">
          {loadError !== null && <LoadProblem review={review} problem={loadError} />}
          <ProposalHeader
            context={context}
            onOpenNotebook={() => props.onOpenNotebook(proposal.path)}
          />
          <EvidencePanel context={context} />
          <div className="jp-Hermes-row">
            <h2>{count(proposal.changes.length, 'change')}</h2>
            <span className="jp-Hermes-spring" />
            <LayoutChoice layout={layout} onLayout={props.onLayout} />
          </div>
          {inNotebookOrder(proposal.changes).map(change => (
            <ChangeCard key={change.change_id} context={context} change={change} />
          ))}
          <Affected context={context} />
        </div>
      </div>
      <MergeBar context={context} />
    </div>
  );
}

function LoadProblem(props: {
  readonly review: ProposalReview;
  readonly problem: string;
}): JSX.Element {
  return (
    <div className="jp-Hermes-problem" role="alert">
      <span>{props.problem}</span>
      <button
        type="button"
        className="jp-Hermes-button jp-mod-plain"
        onClick={() => void props.review.refresh()}
      >
        Try again
      </button>
    </div>
  );
}

function LayoutChoice(props: {
  readonly layout: DiffLayout;
  readonly onLayout: (layout: DiffLayout) => void;
}): JSX.Element {
  const option = (layout: DiffLayout, label: string): JSX.Element => (
    <button
      type="button"
      className="jp-Hermes-segment"
      aria-pressed={props.layout === layout}
      onClick={() => props.onLayout(layout)}
    >
      {label}
    </button>
  );
  return (
    <div className="jp-Hermes-segments" role="group" aria-label="Layout of differences">
      {option('unified', 'Unified')}
      {option('split', 'Side by side')}
    </div>
  );
}

/** Cells that print something else now, though the proposal does not touch them. */
function Affected({ context }: { readonly context: IReviewContext }): JSX.Element | null {
  const { outputs } = context.state;
  const { changes } = context.proposal;
  const affected = React.useMemo(() => {
    const changed = new Set(changes.flatMap(({ cell_id }) => cell_id ?? []));
    return outputs ? affectedCells(outputs.before, outputs.after, changed) : [];
  }, [outputs, changes]);
  if (affected.length === 0) {
    return null;
  }
  return (
    <section className="jp-Hermes-affected" aria-label="Effects on other cells">
      <h2>Effect on {count(affected.length, 'other cell')}</h2>
      <p className="jp-Hermes-note">Their text stays the same, what they print does not.</p>
      {affected.map(cell => (
        <AffectedCard key={cell.cell.cellId} context={context} affected={cell} />
      ))}
    </section>
  );
}

function AffectedCard(props: {
  readonly context: IReviewContext;
  readonly affected: IAffectedCell;
}): JSX.Element {
  const { cell, before, after } = props.affected;
  return (
    <article className="jp-Hermes-card jp-Hermes-change">
      <header className="jp-Hermes-change-header">
        <h3>Other output</h3>
        <span className="jp-Hermes-place">Cell {cell.index + 1}</span>
      </header>
      <details className="jp-Hermes-source">
        <summary>
          <code>{cell.source.split('\n', 1)[0] || 'Source'}</code>
        </summary>
        <pre className="jp-Hermes-text">{cell.source}</pre>
      </details>
      <Lazy estimatedHeight={120}>
        <OutputPair rendermime={props.context.rendermime} before={before} after={after} />
      </Lazy>
    </article>
  );
}
