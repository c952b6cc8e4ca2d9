import type { Conflict } from '../api/client';
import { PersonButton } from '../components/person_button';
import type { Resolution } from './model';

const WHERE: Readonly<Record<Conflict['where'], string>> = {
  source: 'The same lines were edited in the notebook.',
  cell: 'The cell was changed here and deleted there.',
  cell_type: 'The type of the cell was changed in the notebook too.',
  metadata: 'The same metadata was changed in the notebook.',
  position: 'The cell was moved in the notebook too.'
};

/** Where an accepted change overlaps newer edits: both texts, and whose wins. */
export function ConflictView(props: {
  readonly conflict: Conflict;
  readonly isBusy: boolean;
  readonly onResolve: (resolution: Resolution) => void;
}): JSX.Element {
  const { conflict } = props;
  const choice = (resolution: Resolution, label: string): JSX.Element => (
    <PersonButton
      label={label}
      disabled={props.isBusy}
      onPress={() => props.onResolve(resolution)}
    />
  );
  return (
    <section className="jp-Hermes-conflict" role="group" aria-label="Conflict">
      <p>
        <strong>Conflict.</strong> {WHERE[conflict.where]} Whose version shall be merged?
      </p>
      <div className="jp-Hermes-pair">
        <Side title="In the notebook now" text={conflict.local} />
        <Side title="Proposed" text={conflict.remote} />
      </div>
      <div className="jp-Hermes-row">
        {choice('local', 'Keep the notebook’s')}
        {choice('remote', 'Take the proposed')}
        {conflict.where === 'source' && choice('both', 'Keep both')}
      </div>
    </section>
  );
}

function Side(props: { readonly title: string; readonly text: string | null }): JSX.Element {
  return (
    <div className="jp-Hermes-side">
      <div className="jp-Hermes-side-title">{props.title}</div>
      {props.text === null ? (
        <p className="jp-Hermes-none">Deleted</p>
      ) : (
        <pre className="jp-Hermes-text">{props.text}</pre>
      )}
    </div>
  );
}
