import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { IHermes } from '../tokens';
import { Changes } from './changes';
import { HermesClient } from './client';

/** The server's operations and the word that something changed, for every other plugin. */
export const api: JupyterFrontEndPlugin<IHermes> = {
  id: 'hermes-lab:api',
  description: 'Provides the operations of hermes_lab.',
  autoStart: true,
  provides: IHermes,
  activate: ({ serviceManager }: JupyterFrontEnd) => ({
    client: new HermesClient(serviceManager.serverSettings),
    changes: new Changes(serviceManager.events)
  })
};
