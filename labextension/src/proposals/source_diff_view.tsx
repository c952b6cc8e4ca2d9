import type { LanguageSupport } from '@codemirror/language';
import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import * as React from 'react';

import { SourceDiff, type IHunkBars, type ISourceDiffOptions } from './source_diff';

/** A `SourceDiff` in React. */
export function SourceDiffView(props: {
  readonly options: ISourceDiffOptions;
  readonly bars: IHunkBars | null;
}): JSX.Element {
  const { options, bars } = props;
  const host = React.useRef<HTMLDivElement>(null);
  const shown = React.useRef<SourceDiff | null>(null);
  React.useEffect(() => {
    if (!host.current) {
      return;
    }
    const diff = new SourceDiff(host.current, options);
    shown.current = diff;
    return () => {
      shown.current = null;
      diff.destroy();
    };
  }, [options]);
  React.useEffect(() => shown.current?.setBars(bars), [options, bars]);
  return <div className="jp-Hermes-diff" ref={host} />;
}

/** The language support for a MIME type; null while it loads and where there is none. */
export function useLanguage(
  languages: IEditorLanguageRegistry,
  mimetype: string
): LanguageSupport | null {
  const [support, setSupport] = React.useState<LanguageSupport | null>(null);
  React.useEffect(() => {
    let isWanted = true;
    const found = languages.findByMIME(mimetype);
    if (found) {
      void languages.getLanguage(found).then(loaded => {
        if (isWanted) {
          setSupport(loaded?.support ?? null);
        }
      });
    }
    return () => {
      isWanted = false;
    };
  }, [languages, mimetype]);
  return support;
}
