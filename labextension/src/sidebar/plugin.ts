import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';

import { CommandIDs } from '../commands';
import { IHermesSidebar } from '../tokens';
import { HermesSidebar } from './widget';

/** The Hermes sidebar. */
export const sidebar: JupyterFrontEndPlugin<IHermesSidebar> = {
  id: 'hermes-lab:sidebar',
  description: 'Provides the Hermes sidebar.',
  autoStart: true,
  provides: IHermesSidebar,
  optional: [ILayoutRestorer, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null
  ) => {
    const panel: HermesSidebar = new HermesSidebar(() => app.shell.activateById(panel.id));
    app.shell.add(panel, 'left', { rank: 250, type: 'Hermes' });
    restorer?.add(panel, panel.id);
    app.commands.addCommand(CommandIDs.openSidebar, {
      label: 'Show Hermes',
      caption: 'Show proposals, runs and approvals',
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => panel.reveal()
    });
    palette?.addItem({ command: CommandIDs.openSidebar, category: 'Hermes' });
    return panel;
  }
};
