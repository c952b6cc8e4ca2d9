import type { IOutput } from '@jupyterlab/nbformat';
import { OutputArea, OutputAreaModel, SimplifiedOutputArea } from '@jupyterlab/outputarea';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { Widget } from '@lumino/widgets';
import * as React from 'react';

import { WidgetHost } from '../components/widget_host';

/**
 * Foreign content goes through Lab's own renderers and is never trusted: no script runs, HTML is sanitised.
 */
export function Markdown(props: {
  readonly rendermime: IRenderMimeRegistry;
  readonly text: string;
}): JSX.Element {
  const { rendermime, text } = props;
  const make = React.useCallback((): Widget => {
    const renderer = rendermime.createRenderer('text/markdown');
    const model = rendermime.createModel({ data: { 'text/markdown': text }, trusted: false });
    void renderer.renderModel(model);
    return renderer;
  }, [rendermime, text]);
  return <WidgetHost make={make} className="jp-Hermes-foreign" />;
}

/** Outputs of a cell, as Lab shows those of a notebook that nobody trusts. */
export function Outputs(props: {
  readonly rendermime: IRenderMimeRegistry;
  readonly outputs: readonly IOutput[];
}): JSX.Element {
  const { rendermime, outputs } = props;
  const make = React.useCallback((): Widget => {
    const model = new OutputAreaModel({ trusted: false, values: [...outputs] });
    const contentFactory = OutputArea.defaultContentFactory;
    const area = new SimplifiedOutputArea({ model, rendermime, contentFactory });
    area.disposed.connect(() => model.dispose());
    return area;
  }, [rendermime, outputs]);
  return <WidgetHost make={make} className="jp-Hermes-foreign" />;
}

/** Two things next to each other, with a heading each; below one another where there is no room. */
export function BeforeAfter(props: {
  readonly before: React.ReactNode;
  readonly after: React.ReactNode;
}): JSX.Element {
  return (
    <div className="jp-Hermes-pair">
      <div className="jp-Hermes-side">
        <div className="jp-Hermes-side-title">Before</div>
        {props.before}
      </div>
      <div className="jp-Hermes-side">
        <div className="jp-Hermes-side-title">After</div>
        {props.after}
      </div>
    </div>
  );
}

/** Outputs before and after; once where they are the same. */
export function OutputPair(props: {
  readonly rendermime: IRenderMimeRegistry;
  readonly before: readonly IOutput[] | null;
  readonly after: readonly IOutput[] | null;
}): JSX.Element {
  const side = (outputs: readonly IOutput[] | null): JSX.Element => {
    if (outputs === null) {
      return <p className="jp-Hermes-none">Not in this version</p>;
    }
    if (outputs.length === 0) {
      return <p className="jp-Hermes-none">No output</p>;
    }
    return <Outputs rendermime={props.rendermime} outputs={outputs} />;
  };
  return <BeforeAfter before={side(props.before)} after={side(props.after)} />;
}
