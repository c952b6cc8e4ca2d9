import * as React from 'react';

/** How far outside the visible part content is made ready. */
const MARGIN = '800px';

/**
 * Makes its content when it comes near the visible part, and keeps it from then on. Until then its place is held
 * with an estimated height, so that a page of hundreds of differences opens at once.
 */
export function Lazy(props: {
  /** In pixels. */
  readonly estimatedHeight: number;
  readonly className?: string;
  readonly children: React.ReactNode;
}): JSX.Element {
  const place = React.useRef<HTMLDivElement>(null);
  const [isNear, setNear] = React.useState(false);
  React.useEffect(() => {
    if (isNear || !place.current) {
      return;
    }
    const observer = new IntersectionObserver(
      entries => entries.some(({ isIntersecting }) => isIntersecting) && setNear(true),
      { rootMargin: MARGIN }
    );
    observer.observe(place.current);
    return () => observer.disconnect();
  }, [isNear]);
  return (
    <div
      ref={place}
      className={props.className}
      style={isNear ? undefined : { minHeight: props.estimatedHeight }}
    >
      {isNear && props.children}
    </div>
  );
}
