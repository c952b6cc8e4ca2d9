import type { LanguageSupport } from '@codemirror/language';
import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import * as React from 'react';

import { SourceDiff, type IHunkBars, type ISourceDiffOptions } from './source_diff';

/** A `SourceDiff` in React; empty while `options` are not known. */
export function SourceDiffView(props: {
  readonly options: ISourceDiffOptions | null;
  readonly bars: IHunkBars | null;
}): JSX.Element {
  const { options, bars } = props;
  const host = React.useRef<HTMLDivElement>(null);
  const shown = React.useRef<SourceDiff | null>(null);
  React.useEffect(() => {
    if (!host.current || !options) {
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

/** The language support for a MIME type: undefined while it loads, null where there is none. */
export function useLanguage(
  languages: IEditorLanguageRegistry,
  mimetype: string
): LanguageSupport | null | undefined {
  const found = React.useMemo(() => languages.findByMIME(mimetype), [languages, mimetype]);
  const [loaded, setLoaded] = React.useState<LanguageSupport | null>();
  const support = found === null ? null : (found.support ?? loaded);
  React.useEffect(() => {
    if (support !== undefined || found === null) {
      return;
    }
    let isWanted = true;
    languages.getLanguage(found).then(
      language => isWanted && setLoaded(language?.support ?? null),
      (error: unknown) => {
        console.error('The language of a cell could not be loaded.', error);
        if (isWanted) {
          setLoaded(null);
        }
      }
    );
    return () => {
      isWanted = false;
    };
  }, [languages, found, support]);
  return support;
}
