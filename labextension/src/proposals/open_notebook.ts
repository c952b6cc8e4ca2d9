import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { DocumentRegistry } from '@jupyterlab/docregistry';

/** What became of the tab after the file was written by a merge. */
export type Followed = 'not_open' | 'current' | 'followed' | 'has_edits' | 'is_running';

/**
 * The notebook of a proposal as it is open in this browser tab, if it is.
 *
 * Text that is not saved is never dropped: a dirty document is neither reverted nor saved without being asked to.
 */
export class OpenNotebooks {
  constructor(documents: IDocumentManager) {
    this._documents = documents;
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
    if (context.contentsModel?.hash === hash) {
      return 'current';
    }
    if (context.model.dirty) {
      return 'has_edits';
    }
    if (context.sessionContext.kernelDisplayStatus === 'busy') {
      return 'is_running';
    }
    await context.revert();
    return 'followed';
  }

  private _context(path: string): DocumentRegistry.Context | undefined {
    const widget = this._documents.findWidget(path, null);
    return widget && this._documents.contextForWidget(widget);
  }

  private readonly _documents: IDocumentManager;
}
