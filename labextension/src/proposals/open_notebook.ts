import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { Widget } from '@lumino/widgets';

/** What became of the tab after the file was written by a merge. */
export type Followed = 'not_open' | 'current' | 'followed' | 'has_edits' | 'is_running';

/** Reverts under way. The review page and the events of the server may both ask to follow the same merge. */
const REVERTS = new WeakMap<DocumentRegistry.Context, Promise<void>>();

/**
 * The notebook of a proposal as it is open in this browser tab, if it is.
 *
 * Text that is not saved is never dropped: a dirty document is neither reverted nor saved without being asked to.
 */
export class OpenNotebooks {
  constructor(documents: IDocumentManager, shell: JupyterFrontEnd.IShell) {
    this._documents = documents;
    this._shell = shell;
  }

  /** Whether the notebook is open with edits that are not saved. */
  hasEdits(path: string): boolean {
    return this._context(path)?.model.dirty ?? false;
  }

  /** Save the open notebook. */
  async save(path: string): Promise<void> {
    await this._context(path)?.save();
  }

  /**
   * Let the open notebook show the file as a merge left it, so that its next save does not meet a "File Changed"
   * dialog. A tab that has edits, or whose kernel is at work, is left alone.
   */
  async follow(path: string, hash: string): Promise<Followed> {
    const context = this._context(path);
    if (!context) {
      return 'not_open';
    }
    const underWay = REVERTS.get(context);
    if (underWay) {
      await underWay;
      return this.follow(path, hash);
    }
    if (context.contentsModel?.hash === hash) {
      return 'current';
    }
    if (context.model.dirty) {
      return 'has_edits';
    }
    if (context.sessionContext.kernelDisplayStatus === 'busy') {
      return 'is_running';
    }
    await this._revert(context);
    return 'followed';
  }

  /** Load the file again. Until it is there the notebook takes no input, which the file's text would overwrite. */
  private async _revert(context: DocumentRegistry.Context): Promise<void> {
    const awaken = this._panels(context).map(suspend);
    try {
      const reverted = context.revert();
      REVERTS.set(context, reverted);
      await reverted;
    } finally {
      REVERTS.delete(context);
      awaken.forEach(wake => wake());
    }
  }

  /** Every tab that shows the document: a notebook may have several views. */
  private _panels(context: DocumentRegistry.Context): readonly Widget[] {
    const found = this._documents.findWidget(context.path, null);
    const panels = new Set([...(found ? [found] : []), ...this._shell.widgets('main')]);
    return [...panels].filter(panel => this._documents.contextForWidget(panel) === context);
  }

  private _context(path: string): DocumentRegistry.Context | undefined {
    const widget = this._documents.findWidget(path, null);
    return widget && this._documents.contextForWidget(widget);
  }

  private readonly _documents: IDocumentManager;
  private readonly _shell: JupyterFrontEnd.IShell;
}

/** Keep keys and clicks from a panel; what is answered ends that and gives the focus back. */
function suspend(panel: Widget): () => void {
  const { node } = panel;
  const hadFocus = node.contains(document.activeElement);
  node.inert = true;
  return () => {
    node.inert = false;
    // The element that had the focus may be gone with the cell it was in; the panel knows where it belongs.
    const isElsewhere = document.activeElement !== null && document.activeElement !== document.body;
    if (hadFocus && !isElsewhere && !panel.isDisposed) {
      panel.activate();
    }
  };
}
