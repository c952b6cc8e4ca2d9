import type { IOutput } from '@jupyterlab/nbformat';
import * as React from 'react';

import type { Evidence, EvidenceRun, ScrapChange } from '../api/client';
import { Badge } from '../components/badge';
import { useNow } from '../components/clock';
import { duration } from '../components/moment';
import { PersonButton } from '../components/person_button';
import { visible } from '../components/visible_text';
import { count } from '../components/words';
import { progressInWords, took } from '../runs/model';
import { ScrapValue } from './scrap_value';
import {
  difference,
  evidenceMark,
  evidenceWord,
  placeInWords,
  scrapsByInterest,
  takesReviews,
  timeLimitInWords
} from './model';
import { Outputs } from './rendered';
import type { IReviewContext } from './review_context';

/** Whether the proposal runs, and what it changes; how to find out when nobody knows yet. */
export function EvidencePanel({ context }: { readonly context: IReviewContext }): JSX.Element {
  const titleId = React.useId();
  const evidence = context.proposal.evidence[0];
  const mark = evidenceMark(evidenceWord(evidence));
  return (
    <section className="jp-Hermes-card jp-Hermes-evidence" aria-labelledby={titleId}>
      <header className="jp-Hermes-change-header">
        <h2 id={titleId}>Evidence</h2>
        {evidence && <Badge {...mark} />}
        {evidence?.stale && (
          <Badge tone="warn" text="Stale" title="Something changed after this ran" />
        )}
        <span className="jp-Hermes-spring" />
        {canRun(context) && <RunButton context={context} isAgain={evidence !== undefined} />}
      </header>
      {evidence ? <Present context={context} evidence={evidence} /> : <Nothing />}
    </section>
  );
}

function canRun({ proposal }: IReviewContext): boolean {
  const state = proposal.evidence[0]?.state;
  return takesReviews(proposal) && state !== 'pending' && state !== 'running';
}

function RunButton(props: {
  readonly context: IReviewContext;
  readonly isAgain: boolean;
}): JSX.Element {
  const { review, state } = props.context;
  return (
    <PersonButton
      label={props.isAgain ? 'Run again' : 'Run both versions'}
      look="plain"
      disabled={state.isBusy}
      title="Runs the notebook as it was and as proposed, in copies of its folder"
      onPress={() => void review.runEvidence()}
    />
  );
}

function Nothing(): JSX.Element {
  return (
    <p className="jp-Hermes-note">
      Nobody has run this proposal yet. Running it executes the notebook as it was and as proposed,
      in copies of its folder, and compares what comes out.
    </p>
  );
}

function Present(props: {
  readonly context: IReviewContext;
  readonly evidence: Evidence;
}): JSX.Element {
  const { context, evidence } = props;
  if (evidence.state === 'pending' && evidence.awaiting_approval) {
    return <AskForGo key={evidence.evidence_id} context={context} evidence={evidence} />;
  }
  if (evidence.state === 'pending' || evidence.state === 'running') {
    return <Going evidence={evidence} />;
  }
  return (
    <>
      {evidence.stale && (
        <p className="jp-Hermes-note">
          The notebook, the proposal or the environment changed after this ran. Run it again to
          know.
        </p>
      )}
      {evidence.message && !failedCell(evidence) && (
        <p className="jp-Hermes-note">{evidence.message}</p>
      )}
      <Outcome evidence={evidence} />
      <p className="jp-Hermes-meta">{placeInWords(evidence)}</p>
      <Parameters parameters={evidence.parameters} />
      <FailedCell context={context} title="The proposal failed" run={evidence.proposal} />
      <FailedCell context={context} title="The notebook as it was failed" run={evidence.base} />
      <Scraps scraps={evidence.scraps} />
    </>
  );
}

/** Where a cell is to blame, it is shown whole; the message would say the same again. */
function failedCell(evidence: Evidence): boolean {
  return Boolean(evidence.proposal?.result?.failed_cell ?? evidence.base?.result?.failed_cell);
}

function AskForGo(props: {
  readonly context: IReviewContext;
  readonly evidence: Evidence;
}): JSX.Element {
  const { review, state } = props.context;
  const { evidence } = props;
  return (
    <div className="jp-Hermes-ask">
      <p>
        <strong>{evidence.author.name}</strong> asks to run this proposal. That executes code an
        agent wrote {evidence.sandboxed ? 'in the sandbox' : 'on this server, with your rights'}.
        Read the changes below first.
      </p>
      <Parameters parameters={evidence.parameters} />
      <p className="jp-Hermes-meta">{timeLimitInWords(evidence.timeout_seconds)}</p>
      <div className="jp-Hermes-row">
        <PersonButton
          label="Allow this run"
          look="primary"
          disabled={state.isBusy}
          onPress={() => void review.decideEvidence(evidence, 'allow')}
        />
        <PersonButton
          label="Deny"
          disabled={state.isBusy}
          onPress={() => void review.decideEvidence(evidence, 'deny')}
        />
      </div>
    </div>
  );
}

function Going({ evidence }: { readonly evidence: Evidence }): JSX.Element {
  const now = useNow(1);
  const since = evidence.started_at ?? evidence.created_at;
  const seconds = Math.max(0, (now.getTime() - new Date(since).getTime()) / 1000);
  return (
    <div className="jp-Hermes-going" aria-live="polite">
      <RunProgress name="As it was" run={evidence.base} />
      <RunProgress name="As proposed" run={evidence.proposal} />
      <p className="jp-Hermes-meta">{duration(Math.floor(seconds))} so far</p>
      <p className="jp-Hermes-meta">{placeInWords(evidence)}</p>
    </div>
  );
}

function RunProgress(props: {
  readonly name: string;
  readonly run: EvidenceRun | null;
}): JSX.Element {
  const { name, run } = props;
  return (
    <div className="jp-Hermes-progress">
      <span>{name}</span>
      <progress
        max={run?.progress.cells_total ?? 1}
        value={run?.progress.cells_done ?? 0}
        aria-label={name}
      />
      <span>{run ? progressInWords(run.progress) : 'waits'}</span>
    </div>
  );
}

function Outcome({ evidence }: { readonly evidence: Evidence }): JSX.Element {
  const row = (name: string, run: EvidenceRun | null): JSX.Element => (
    <tr>
      <th scope="row">{name}</th>
      <td>{run ? outcomeInWords(run) : 'There was no notebook'}</td>
      <td>{(run && took(run)) ?? ''}</td>
      <td>{run?.result ? count(run.result.cells_executed, 'cell') : ''}</td>
    </tr>
  );
  return (
    <table className="jp-Hermes-table">
      <thead>
        <tr>
          <th scope="col">Version</th>
          <th scope="col">Result</th>
          <th scope="col">Time</th>
          <th scope="col">Ran</th>
        </tr>
      </thead>
      <tbody>
        {row('As it was', evidence.base)}
        {row('As proposed', evidence.proposal)}
      </tbody>
    </table>
  );
}

function outcomeInWords(run: EvidenceRun): string {
  const failed = run.result?.failed_cell;
  if (failed) {
    return `Cell ${failed.index + 1} failed: ${failed.ename}`;
  }
  return run.state === 'completed' ? 'Every cell ran' : `The run ${run.state}`;
}

function Parameters(props: { readonly parameters: Evidence['parameters'] }): JSX.Element | null {
  const entries = Object.entries(props.parameters);
  if (entries.length === 0) {
    return null;
  }
  const words = entries.map(([name, value]) => visible(`${name} = ${JSON.stringify(value)}`));
  return <p className="jp-Hermes-meta jp-Hermes-parameters">With {words.join(', ')}</p>;
}

function FailedCell(props: {
  readonly context: IReviewContext;
  readonly title: string;
  readonly run: EvidenceRun | null;
}): JSX.Element | null {
  const failed = props.run?.result?.failed_cell ?? null;
  const outputs = React.useMemo((): readonly IOutput[] => {
    if (!failed) {
      return [];
    }
    const { ename, evalue, traceback } = failed;
    return [{ output_type: 'error', ename, evalue, traceback }];
  }, [failed]);
  if (!failed) {
    return null;
  }
  return (
    <section className="jp-Hermes-failure" aria-label={props.title}>
      <h4>
        {props.title} in cell {failed.index + 1}
      </h4>
      <pre className="jp-Hermes-text">{failed.source}</pre>
      <Outputs rendermime={props.context.rendermime} outputs={outputs} />
    </section>
  );
}

function Scraps({ scraps }: { readonly scraps: readonly ScrapChange[] }): JSX.Element | null {
  const [showsSame, setShowsSame] = React.useState(false);
  if (scraps.length === 0) {
    return null;
  }
  const ordered = scrapsByInterest(scraps);
  const same = ordered.filter(({ change }) => change === 'same').length;
  const shown = showsSame ? ordered : ordered.slice(0, ordered.length - same);
  return (
    <section aria-label="Scraps">
      <h4>Scraps</h4>
      {shown.length > 0 && <ScrapTable scraps={shown} />}
      {same > 0 && (
        <button
          type="button"
          className="jp-Hermes-link"
          aria-expanded={showsSame}
          onClick={() => setShowsSame(!showsSame)}
        >
          {showsSame ? 'Hide' : 'Show'} {count(same, 'scrap')} that stayed the same
        </button>
      )}
    </section>
  );
}

function ScrapTable({ scraps }: { readonly scraps: readonly ScrapChange[] }): JSX.Element {
  return (
    <table className="jp-Hermes-table jp-Hermes-scraps">
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Before</th>
          <th scope="col">After</th>
          <th scope="col">Difference</th>
        </tr>
      </thead>
      <tbody>
        {scraps.map(scrap => (
          <tr key={scrap.name} data-change={scrap.change}>
            <th scope="row">{scrap.name}</th>
            <td>{scrap.change === 'added' ? <Absent /> : <ScrapValue value={scrap.before} />}</td>
            <td>{scrap.change === 'removed' ? <Absent /> : <ScrapValue value={scrap.after} />}</td>
            <td>{difference(scrap) ?? scrap.change}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Absent(): JSX.Element {
  return <span className="jp-Hermes-none">none</span>;
}
