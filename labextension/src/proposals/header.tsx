import { Badge } from '../components/badge';
import { useNow } from '../components/clock';
import { ago, exactly } from '../components/moment';
import { counts, marks, tally } from './model';
import { Markdown } from './rendered';
import type { IReviewContext } from './review_context';

/** What is proposed, by whom, for which notebook and why; where it stands. */
export function ProposalHeader(props: {
  readonly context: IReviewContext;
  readonly onOpenNotebook: () => void;
}): JSX.Element {
  const { context } = props;
  const { proposal, rendermime } = context;
  const { total, decided } = tally(proposal.changes);
  const now = useNow(30);
  return (
    <header className="jp-Hermes-header">
      <h1>{proposal.title}</h1>
      <p className="jp-Hermes-meta">
        Proposed by <strong>{proposal.author.name}</strong>
        {proposal.author.kind === 'agent' ? ' (agent)' : ''}{' '}
        <time dateTime={proposal.created_at} title={exactly(proposal.created_at)}>
          {ago(proposal.created_at, now)}
        </time>{' '}
        for{' '}
        <button
          type="button"
          className="jp-Hermes-link"
          disabled={proposal.document_missing || proposal.current_hash === null}
          onClick={props.onOpenNotebook}
        >
          {proposal.path}
        </button>
      </p>
      <div className="jp-Hermes-row" role="status">
        {marks(proposal).map(mark => (
          <Badge key={mark.text} {...mark} />
        ))}
        <span className="jp-Hermes-counts">{counts(total, decided)}</span>
      </div>
      {proposal.rationale && <Markdown rendermime={rendermime} text={proposal.rationale} />}
      <GeneralComments context={context} now={now} />
    </header>
  );
}

function GeneralComments(props: {
  readonly context: IReviewContext;
  readonly now: Date;
}): JSX.Element | null {
  const said = props.context.proposal.reviews.flatMap(({ author, created_at, comments }) =>
    comments
      .filter(({ change_id }) => change_id === null)
      .map(({ text }) => ({ author, created_at, text }))
  );
  return (
    <>
      {said.map((comment, index) => (
        <div key={index} className="jp-Hermes-comment">
          <div className="jp-Hermes-meta">
            <strong>{comment.author.name}</strong> {ago(comment.created_at, props.now)}
          </div>
          <p>{comment.text}</p>
        </div>
      ))}
    </>
  );
}
