import { Widget } from '@lumino/widgets';
import * as React from 'react';

/**
 * Shows a Lumino widget inside React. The widget is made when the place for it exists, and made again when
 * `make` changes.
 */
export function WidgetHost(props: {
  readonly make: () => Widget;
  readonly className?: string;
}): JSX.Element {
  const place = React.useRef<HTMLDivElement>(null);
  const { make } = props;
  React.useEffect(() => {
    const host = place.current;
    if (!host) {
      return;
    }
    const widget = make();
    Widget.attach(widget, host);
    return () => widget.dispose();
  }, [make]);
  return <div ref={place} className={props.className} />;
}
