import * as React from 'react';

/** As many items as a sidebar shows before the next section would be out of sight. */
const AT_FIRST = 8;

/** A list that shows its first items, and the others on demand. */
export function FoldedList<T>(props: {
  readonly items: readonly T[];
  readonly renderItem: (item: T) => JSX.Element;
}): JSX.Element {
  const { items } = props;
  const [showsAll, setShowsAll] = React.useState(false);
  const hidden = items.length - AT_FIRST;
  return (
    <>
      <ul className="jp-Hermes-list">
        {(showsAll ? items : items.slice(0, AT_FIRST)).map(props.renderItem)}
      </ul>
      {hidden > 0 && (
        <button
          type="button"
          className="jp-Hermes-link jp-Hermes-fold"
          aria-expanded={showsAll}
          onClick={() => setShowsAll(!showsAll)}
        >
          {showsAll ? 'Show fewer' : `Show ${hidden} more`}
        </button>
      )}
    </>
  );
}
