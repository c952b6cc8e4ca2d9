import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';
import { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';

import { CommandIDs } from '../commands';
import { PagedList } from '../components/paged_list';
import { IHermes, IHermesSidebar } from '../tokens';
import { LayoutSetting } from './layout';
import { ProposalList } from './list';
import { OpenNotebooks } from './open_notebook';
import { ProposalReview } from './review';
import { ReviewPage } from './widget';

const SETTINGS_ID = 'hermes-lab:plugin';

/** Proposals in the sidebar, and the page to review one. */
export const proposals: JupyterFrontEndPlugin<void> = {
  id: 'hermes-lab:proposals',
  description: 'Lists proposals and opens the review page.',
  autoStart: true,
  requires: [
    IHermes,
    IHermesSidebar,
    IRenderMimeRegistry,
    IEditorLanguageRegistry,
    IDocumentManager,
    ISettingRegistry
  ],
  optional: [ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    { client, changes }: IHermes,
    sidebar: IHermesSidebar,
    rendermime: IRenderMimeRegistry,
    languages: IEditorLanguageRegistry,
    documents: IDocumentManager,
    settings: ISettingRegistry,
    restorer: ILayoutRestorer | null
  ) => {
    const notebooks = new OpenNotebooks(documents, app.shell);
    const tracker = new WidgetTracker<ReviewPage>({ namespace: 'hermes-proposals' });
    const layout = new LayoutSetting(settings.load(SETTINGS_ID));

    const createWidget = (proposalId: string): ReviewPage =>
      new ReviewPage({
        review: new ProposalReview(proposalId, client, changes, notebooks),
        rendermime,
        languages,
        layout,
        onLayout: chosen => void layout.choose(chosen),
        onOpenNotebook: path => void app.commands.execute('docmanager:open', { path })
      });

    app.commands.addCommand(CommandIDs.openProposal, {
      label: 'Open Proposal',
      describedBy: {
        args: {
          type: 'object',
          required: ['proposal_id'],
          properties: { proposal_id: { type: 'string', description: 'The proposal to review' } }
        }
      },
      execute: async args => {
        const proposalId = args.proposal_id;
        if (typeof proposalId !== 'string') {
          throw new Error('The command needs a proposal_id.');
        }
        let page = tracker.find(({ proposalId: shown }) => shown === proposalId);
        if (!page) {
          page = createWidget(proposalId);
          app.shell.add(page, 'main');
          await tracker.add(page);
        }
        app.shell.activateById(page.id);
      }
    });

    if (restorer) {
      void restorer.restore(tracker, {
        command: CommandIDs.openProposal,
        args: ({ proposalId }) => ({ proposal_id: proposalId }),
        name: ({ proposalId }) => proposalId
      });
    }

    const list = new PagedList({
      fetch: cursor => client.listProposals(cursor),
      id: ({ proposal_id }) => proposal_id,
      changes,
      concerns: change => change?.noun === 'proposals' || change?.noun === 'evidence'
    });
    sidebar.addSection({
      id: 'proposals',
      rank: 20,
      render: () => (
        <ProposalList
          list={list}
          onOpen={proposal_id =>
            void app.commands.execute(CommandIDs.openProposal, { proposal_id })
          }
        />
      )
    });
  }
};

/** Open notebooks follow merges that happen elsewhere: in another tab, by REST. */
export const openNotebooks: JupyterFrontEndPlugin<void> = {
  id: 'hermes-lab:open-notebooks',
  description: 'Lets an open notebook without edits follow the file when a proposal is merged.',
  autoStart: true,
  requires: [IHermes, IDocumentManager],
  activate: (app: JupyterFrontEnd, { client, changes }: IHermes, documents: IDocumentManager) => {
    const notebooks = new OpenNotebooks(documents, app.shell);
    changes.changed.connect((_, change) => {
      if (change?.noun === 'proposals') {
        void follow(change.id);
      }
    });
    const follow = async (proposalId: string): Promise<void> => {
      const { path, merge, current_hash } = await client.getProposal(proposalId);
      if (merge && merge.hash === current_hash) {
        await notebooks.follow(path, merge.hash);
      }
    };
  }
};
