import { PersonButton } from '../components/person_button';
import { count, fileName } from '../components/words';
import { decisionsInWords, isUntestedMixture, mergeLabel, tally, takesReviews } from './model';
import type { IReviewContext } from './review_context';

/** What was decided, and the one button that writes it; always in view. */
export function MergeBar({ context }: { readonly context: IReviewContext }): JSX.Element {
  return (
    <footer className="jp-Hermes-mergebar" aria-label="Merge">
      {context.state.problem !== null && <Problem context={context} />}
      {context.state.asksToSave ? (
        <SaveFirst context={context} />
      ) : takesReviews(context.proposal) ? (
        <Actions context={context} />
      ) : (
        <Ended context={context} />
      )}
    </footer>
  );
}

function Problem({ context }: { readonly context: IReviewContext }): JSX.Element {
  return (
    <div className="jp-Hermes-problem" role="alert">
      <span>{context.state.problem}</span>
      <button
        type="button"
        className="jp-Hermes-button jp-mod-plain"
        onClick={() => context.review.dismissProblem()}
      >
        Dismiss
      </button>
    </div>
  );
}

function Actions({ context }: { readonly context: IReviewContext }): JSX.Element {
  const { review, state, proposal } = context;
  const sums = tally(proposal.changes);
  const undecided = sums.total - sums.decided;
  return (
    <div className="jp-Hermes-row">
      <span className="jp-Hermes-counts" role="status">
        {decisionsInWords(sums)}
        {isUntestedMixture(proposal.changes) && '. Nobody has run this selection.'}
      </span>
      <span className="jp-Hermes-spring" />
      {undecided > 0 && (
        <PersonButton
          label={sums.decided === 0 ? 'Accept all' : `Accept the other ${undecided}`}
          disabled={state.isBusy}
          onPress={() => void review.acceptRemaining()}
        />
      )}
      {proposal.state === 'open' && (
        <PersonButton
          label="Reject all"
          title="Rejects every change that is not merged and closes the proposal"
          disabled={state.isBusy}
          onPress={() => void review.rejectAll()}
        />
      )}
      <PersonButton
        label={mergeLabel(sums)}
        look="primary"
        disabled={state.isBusy || sums.mergeable === 0}
        title={
          sums.mergeable === 0
            ? 'Accept a change first'
            : `Writes what you accepted into ${fileName(proposal.path)}`
        }
        onPress={() => void review.merge()}
      />
    </div>
  );
}

function SaveFirst({ context }: { readonly context: IReviewContext }): JSX.Element {
  const { review, state, proposal } = context;
  return (
    <div className="jp-Hermes-row" role="alertdialog" aria-label="Unsaved edits">
      <span>
        <strong>{fileName(proposal.path)}</strong> is open with edits that are not saved. A merge
        goes onto what is saved.
      </span>
      <span className="jp-Hermes-spring" />
      <PersonButton
        label="Save and merge"
        look="primary"
        disabled={state.isBusy}
        onPress={() => void review.saveAndMerge()}
      />
      <PersonButton label="Not now" onPress={() => review.cancelMerge()} />
    </div>
  );
}

const ENDED: Readonly<Record<string, string>> = {
  withdrawn: 'The author has withdrawn this proposal.',
  superseded: 'A newer version has taken the place of this proposal.'
};

function Ended({ context }: { readonly context: IReviewContext }): JSX.Element {
  const { proposal } = context;
  const { applied, rejected } = tally(proposal.changes);
  const { merge } = proposal;
  const merged =
    merge &&
    `${merge.author.name} merged ${count(applied, 'change')} into ${fileName(proposal.path)}` +
      (rejected > 0 ? `; ${rejected} rejected.` : '.');
  return (
    <div className="jp-Hermes-row" role="status">
      <span className="jp-Hermes-done">{merged ?? ENDED[proposal.state]}</span>
    </div>
  );
}
