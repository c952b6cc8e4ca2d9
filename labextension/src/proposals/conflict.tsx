import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import * as React from 'react';

import type { Conflict } from '../api/client';
import { PersonButton } from '../components/person_button';
import type { Resolution } from './model';
import type { ISourceDiffOptions } from './source_diff';
import { SourceDiffView, useLanguage } from './source_diff_view';

const WHERE: Readonly<Record<Conflict['where'], string>> = {
  source: 'The same lines were edited in the notebook.',
  cell: 'The cell was changed on one side and deleted on the other.',
  cell_type: 'The type of the cell was changed in the notebook too.',
  metadata: 'The same metadata was changed in the notebook.',
  position: 'The cell was moved in the notebook too.'
};

/** Where an accepted change overlaps newer edits: both texts, and whose wins. */
export function ConflictView(props: {
  readonly conflict: Conflict;
  readonly languages: IEditorLanguageRegistry;
  readonly mimetype: string;
  readonly isBusy: boolean;
  /** The first one comes into view. */
  readonly isFirst: boolean;
  readonly onResolve: (resolution: Resolution) => void;
}): JSX.Element {
  const { conflict } = props;
  const place = React.useRef<HTMLElement>(null);
  const { isFirst } = props;
  React.useEffect(() => {
    if (isFirst) {
      place.current?.scrollIntoView({ block: 'center' });
    }
  }, [isFirst]);
  const choice = (resolution: Resolution, label: string): JSX.Element => (
    <PersonButton
      label={label}
      disabled={props.isBusy}
      onPress={() => props.onResolve(resolution)}
    />
  );
  return (
    <section className="jp-Hermes-conflict" aria-label="Conflict" ref={place}>
      <p>
        <strong>Conflict.</strong> {WHERE[conflict.where]} Whose version shall be merged?
      </p>
      {conflict.where === 'source' ? <Sources {...props} /> : <Texts conflict={conflict} />}
      <div className="jp-Hermes-row">
        {choice('local', 'Keep the notebook’s')}
        {choice('remote', 'Take the proposed')}
        {conflict.where === 'source' && choice('both', 'Keep both')}
      </div>
    </section>
  );
}

function Sources(props: {
  readonly conflict: Conflict;
  readonly languages: IEditorLanguageRegistry;
  readonly mimetype: string;
}): JSX.Element {
  const { local, remote } = props.conflict;
  const language = useLanguage(props.languages, props.mimetype);
  const options = React.useMemo(
    (): ISourceDiffOptions | null =>
      language === undefined
        ? null
        : {
            before: local ?? '',
            after: remote ?? '',
            ranges: [],
            layout: 'split',
            language,
            label: 'Conflict'
          },
    [local, remote, language]
  );
  return (
    <div>
      <div className="jp-Hermes-sides">
        <span>In the notebook now</span>
        <span>Proposed</span>
      </div>
      <SourceDiffView options={options} bars={null} />
    </div>
  );
}

function Texts({ conflict }: { readonly conflict: Conflict }): JSX.Element {
  return (
    <div className="jp-Hermes-pair">
      <Side title="In the notebook now" text={conflict.local} />
      <Side title="Proposed" text={conflict.remote} />
    </div>
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
