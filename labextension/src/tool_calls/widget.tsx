import * as React from 'react';

import type { ToolCall } from '../api/client';
import { useNow } from '../components/clock';
import { countdown } from '../components/moment';
import { useObservable } from '../components/observable';
import { PersonButton } from '../components/person_button';
import { argumentsOf, hasExpired, origin } from './model';
import type { WaitingToolCalls } from './waiting';

/** The tool calls that wait, on top of the sidebar; nothing at all when none does. */
export function Approvals({ waiting }: { readonly waiting: WaitingToolCalls }): JSX.Element | null {
  const { calls, isAnswering, problem } = useObservable(waiting);
  const now = useNow(1);
  const headingId = React.useId();
  const open = calls.filter(call => !hasExpired(call, now));
  if (open.length === 0 && problem === null) {
    return null;
  }
  return (
    <section className="jp-Hermes-section" aria-labelledby={headingId}>
      <h2 id={headingId} className="jp-Hermes-section-title">
        Waiting for your approval
      </h2>
      {problem !== null && (
        <div className="jp-Hermes-problem" role="alert">
          <span>{problem}</span>
        </div>
      )}
      {open.map(call => (
        <ApprovalCard
          key={call.tool_call_id}
          call={call}
          now={now}
          isAnswering={isAnswering.has(call.tool_call_id)}
          onDecide={decision => void waiting.decide(call, decision)}
        />
      ))}
    </section>
  );
}

function ApprovalCard(props: {
  readonly call: ToolCall;
  readonly now: Date;
  readonly isAnswering: boolean;
  readonly onDecide: (decision: 'allow' | 'deny') => void;
}): JSX.Element {
  const { call, now, isAnswering } = props;
  const titleId = React.useId();
  return (
    <article className="jp-Hermes-card jp-Hermes-approval" aria-labelledby={titleId}>
      <header className="jp-Hermes-row">
        <h3 id={titleId}>
          Use <code>{call.tool}</code>?
        </h3>
        <span className="jp-Hermes-spring" />
        {call.expires_at !== null && (
          <span className="jp-Hermes-meta" title="Without an answer it is denied">
            {countdown(call.expires_at, now)} left
          </span>
        )}
      </header>
      <dl className="jp-Hermes-arguments">
        {argumentsOf(call).map(({ name, value, isText }) => (
          <div key={name} data-text={isText}>
            <dt>{name}</dt>
            <dd>{isText ? <pre className="jp-Hermes-text">{value}</pre> : <code>{value}</code>}</dd>
          </div>
        ))}
      </dl>
      <p className="jp-Hermes-meta">From {origin(call)}</p>
      <div className="jp-Hermes-row">
        <PersonButton
          label="Allow once"
          look="primary"
          disabled={isAnswering}
          onPress={() => props.onDecide('allow')}
        />
        <PersonButton label="Deny" disabled={isAnswering} onPress={() => props.onDecide('deny')} />
      </div>
    </article>
  );
}
