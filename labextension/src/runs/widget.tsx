import * as React from 'react';

import type { Run } from '../api/client';
import { Badge } from '../components/badge';
import { useNow } from '../components/clock';
import { FoldedList } from '../components/folded_list';
import { ListSection } from '../components/list_section';
import { ago, exactly } from '../components/moment';
import type { PagedList } from '../components/paged_list';
import { PersonButton } from '../components/person_button';
import { fileName } from '../components/words';
import {
  byAttention,
  failure,
  isGoingOn,
  isRepeatable,
  notebookOf,
  placeInLine,
  progressInWords,
  stateMark,
  took
} from './model';

interface IRunActions {
  readonly onOpen: (run: Run) => void;
  readonly onCancel: (run: Run) => void;
  readonly onRerun: (run: Run) => Promise<void>;
}

/** Runs in the sidebar: those going on first. */
export function RunList(props: { readonly list: PagedList<Run> } & IRunActions): JSX.Element {
  return (
    <ListSection
      title="Runs"
      list={props.list}
      empty="No runs yet. Notebooks that agents or people run with parameters show up here."
      renderItems={items => (
        <Items
          items={items}
          onOpen={props.onOpen}
          onCancel={props.onCancel}
          onRerun={props.onRerun}
        />
      )}
    />
  );
}

function Items(props: { readonly items: readonly Run[] } & IRunActions): JSX.Element {
  const now = useNow(30);
  return (
    <FoldedList
      items={byAttention(props.items)}
      renderItem={run => (
        <Item
          key={run.run_id}
          run={run}
          now={now}
          onOpen={() => props.onOpen(run)}
          onCancel={() => props.onCancel(run)}
          onRerun={() => props.onRerun(run)}
        />
      )}
    />
  );
}

function Item(props: {
  readonly run: Run;
  readonly now: Date;
  readonly onOpen: () => void;
  readonly onCancel: () => void;
  readonly onRerun: () => Promise<void>;
}): JSX.Element {
  const { run, now } = props;
  const problem = failure(run);
  const time = took(run);
  return (
    <li>
      <button
        type="button"
        className="jp-Hermes-item"
        onClick={props.onOpen}
        title={`Open ${notebookOf(run)}`}
      >
        <span className="jp-Hermes-item-line">
          <span className="jp-Hermes-item-title">{fileName(run.input_path)}</span>
          {time !== null && <span title="It took this long">{time}</span>}
        </span>
        <span className="jp-Hermes-item-line">
          <span className="jp-Hermes-item-file">
            {run.author.name} ·{' '}
            <time dateTime={run.created_at} title={exactly(run.created_at)}>
              {ago(run.created_at, now, 'short')}
            </time>
          </span>
          <Badge {...stateMark(run.state)} />
        </span>
        {problem !== null && <span className="jp-Hermes-item-problem">{problem}</span>}
      </button>
      {isGoingOn(run) && <Going run={run} onCancel={props.onCancel} />}
      {isRepeatable(run) && <Ended run={run} onRerun={props.onRerun} />}
    </li>
  );
}

function Going(props: { readonly run: Run; readonly onCancel: () => void }): JSX.Element {
  const { run } = props;
  const [isStopping, setStopping] = React.useState(false);
  const place = placeInLine(run);
  return (
    <div className="jp-Hermes-progress jp-Hermes-item-progress">
      {place === null && (
        <progress
          max={Math.max(1, run.progress.cells_total)}
          value={run.progress.cells_done}
          aria-label={`Progress of ${fileName(run.input_path)}`}
        />
      )}
      <span>{place ?? progressInWords(run.progress)}</span>
      {place !== null && <span className="jp-Hermes-spring" />}
      <PersonButton
        label="Stop"
        ariaLabel={`Stop the run of ${fileName(run.input_path)}`}
        disabled={isStopping}
        onPress={() => {
          setStopping(true);
          props.onCancel();
        }}
      />
    </div>
  );
}

function Ended(props: { readonly run: Run; readonly onRerun: () => Promise<void> }): JSX.Element {
  const { run } = props;
  const [isAsked, setAsked] = React.useState(false);
  return (
    <div className="jp-Hermes-progress jp-Hermes-item-progress">
      <PersonButton
        label="Run again"
        look="link"
        ariaLabel={`Run ${fileName(run.input_path)} again`}
        disabled={isAsked}
        onPress={() => {
          setAsked(true);
          void props.onRerun().then(() => setAsked(false));
        }}
      />
    </div>
  );
}
