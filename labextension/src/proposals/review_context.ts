import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';

import type { Proposal } from '../api/client';
import type { IReviewState, ProposalReview } from './review';
import type { DiffLayout } from './source_diff';

/** What every part of the review page works with. */
export interface IReviewContext {
  readonly review: ProposalReview;
  readonly state: IReviewState;
  readonly proposal: Proposal;
  readonly layout: DiffLayout;
  readonly rendermime: IRenderMimeRegistry;
  readonly languages: IEditorLanguageRegistry;
}
