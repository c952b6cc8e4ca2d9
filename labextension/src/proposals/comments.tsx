import * as React from 'react';

import { useNow } from '../components/clock';
import { ago, exactly } from '../components/moment';
import { PersonButton } from '../components/person_button';
import type { IComment } from './model';

/** The thread on a change, and a place to add to it. */
export function ChangeComments(props: {
  readonly comments: readonly IComment[];
  /** Sends a comment and answers whether it was taken; null where none can be added. */
  readonly onComment: ((text: string) => Promise<boolean>) | null;
  readonly subject: string;
}): JSX.Element | null {
  const now = useNow(30);
  if (props.comments.length === 0 && props.onComment === null) {
    return null;
  }
  return (
    <footer className="jp-Hermes-comments">
      {props.comments.map((comment, index) => (
        <div key={index} className="jp-Hermes-comment">
          <div className="jp-Hermes-meta">
            <strong>{comment.author.name}</strong>{' '}
            <time dateTime={comment.created_at} title={exactly(comment.created_at)}>
              {ago(comment.created_at, now)}
            </time>
          </div>
          <p>{comment.text}</p>
        </div>
      ))}
      {props.onComment && <CommentForm onComment={props.onComment} subject={props.subject} />}
    </footer>
  );
}

function CommentForm(props: {
  readonly onComment: (text: string) => Promise<boolean>;
  readonly subject: string;
}): JSX.Element {
  const [text, setText] = React.useState<string | null>(null);
  const send = (): void => {
    if (text?.trim()) {
      void props.onComment(text.trim()).then(isTaken => isTaken && setText(null));
    }
  };
  if (text === null) {
    return (
      <button
        type="button"
        className="jp-Hermes-link"
        aria-label={`Comment on: ${props.subject}`}
        onClick={() => setText('')}
      >
        Comment
      </button>
    );
  }
  const onKeyDown = (event: React.KeyboardEvent): void => {
    if (event.key === 'Escape') {
      setText(null);
    } else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      send();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div className="jp-Hermes-comment-form">
      <textarea
        autoFocus
        rows={3}
        maxLength={10_000}
        value={text}
        aria-label={`Comment on: ${props.subject}`}
        placeholder="The author sees this with your decision."
        onChange={event => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <div className="jp-Hermes-row">
        <PersonButton label="Send" look="primary" disabled={!text.trim()} onPress={send} />
        <PersonButton label="Cancel" onPress={() => setText(null)} />
      </div>
    </div>
  );
}
