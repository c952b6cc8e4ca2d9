import * as React from 'react';

import { useObservable } from './observable';
import type { PagedList } from './paged_list';

/**
 * A titled list in the sidebar with its four faces: loading, empty, failed, and the items.
 */
export function ListSection<T>(props: {
  readonly title: string;
  readonly list: PagedList<T>;
  /** What to do when there is nothing yet. */
  readonly empty: string;
  readonly renderItems: (items: readonly T[]) => JSX.Element;
}): JSX.Element {
  const { items, nextCursor, loaded, error } = useObservable(props.list);
  const headingId = React.useId();
  return (
    <section className="jp-Hermes-section" aria-labelledby={headingId} aria-busy={!loaded}>
      <h2 id={headingId} className="jp-Hermes-section-title">
        {props.title}
      </h2>
      {error !== null && (
        <div className="jp-Hermes-problem" role="alert">
          <span>{error}</span>
          <button
            type="button"
            className="jp-Hermes-button jp-mod-plain"
            onClick={() => void props.list.refresh()}
          >
            Try again
          </button>
        </div>
      )}
      {!loaded && error === null && <Loading />}
      {loaded && items.length === 0 && <p className="jp-Hermes-empty">{props.empty}</p>}
      {items.length > 0 && props.renderItems(items)}
      {nextCursor !== null && (
        <button
          type="button"
          className="jp-Hermes-button jp-mod-plain jp-Hermes-more"
          onClick={() => void props.list.more()}
        >
          Show older
        </button>
      )}
    </section>
  );
}

function Loading(): JSX.Element {
  return (
    <div className="jp-Hermes-loading" role="status" aria-label="Loading">
      <span />
      <span />
    </div>
  );
}
