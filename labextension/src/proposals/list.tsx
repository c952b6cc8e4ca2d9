import type { ProposalSummary } from '../api/client';
import { Badge } from '../components/badge';
import { useNow } from '../components/clock';
import { FoldedList } from '../components/folded_list';
import { ListSection } from '../components/list_section';
import { ago, exactly } from '../components/moment';
import type { PagedList } from '../components/paged_list';
import { fileName } from '../components/words';
import { byAttention, counts, evidenceMark, stateMark } from './model';

interface IProposalListProps {
  readonly list: PagedList<ProposalSummary>;
  readonly onOpen: (proposalId: string) => void;
}

/** Proposals in the sidebar: what waits for the person first, what has ended below. */
export function ProposalList({ list, onOpen }: IProposalListProps): JSX.Element {
  return (
    <ListSection
      title="Proposals"
      list={list}
      empty="No proposals yet. When an agent proposes a change to a notebook, it waits here for your review."
      renderItems={items => <Items items={items} onOpen={onOpen} />}
    />
  );
}

function Items(props: {
  readonly items: readonly ProposalSummary[];
  readonly onOpen: (proposalId: string) => void;
}): JSX.Element {
  const { open, ended } = byAttention(props.items);
  const now = useNow(30);
  const rows = (proposals: readonly ProposalSummary[]): JSX.Element => (
    <FoldedList
      items={proposals}
      renderItem={proposal => (
        <Item
          key={proposal.proposal_id}
          proposal={proposal}
          now={now}
          onOpen={() => props.onOpen(proposal.proposal_id)}
        />
      )}
    />
  );
  return (
    <>
      {open.length > 0 ? rows(open) : <p className="jp-Hermes-empty">Nothing waits for you.</p>}
      {ended.length > 0 && (
        <details className="jp-Hermes-ended">
          <summary>Ended ({ended.length})</summary>
          {rows(ended)}
        </details>
      )}
    </>
  );
}

function Item(props: {
  readonly proposal: ProposalSummary;
  readonly now: Date;
  readonly onOpen: () => void;
}): JSX.Element {
  const { proposal, now } = props;
  const isOpen = proposal.state === 'open';
  const mark = isOpen ? evidenceMark(proposal.evidence) : stateMark(proposal.state);
  return (
    <li>
      <button type="button" className="jp-Hermes-item" onClick={props.onOpen} title={proposal.path}>
        <span className="jp-Hermes-item-title">{proposal.title}</span>
        <span className="jp-Hermes-item-line">
          <span className="jp-Hermes-item-file">{fileName(proposal.path)}</span>
          {isOpen && <Decided proposal={proposal} />}
        </span>
        <span className="jp-Hermes-item-line">
          <span className="jp-Hermes-item-file">
            {proposal.author.name} ·{' '}
            <time dateTime={proposal.created_at} title={exactly(proposal.created_at)}>
              {ago(proposal.created_at, now, 'short')}
            </time>
          </span>
          <Badge {...mark} />
        </span>
      </button>
    </li>
  );
}

function Decided({ proposal }: { readonly proposal: ProposalSummary }): JSX.Element {
  const { changes_total, changes_decided } = proposal;
  const words = counts(changes_total, changes_decided);
  return (
    <span title={words} aria-label={words}>
      {changes_decided}/{changes_total}
    </span>
  );
}
