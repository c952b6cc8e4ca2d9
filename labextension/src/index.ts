import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { api } from './api/plugin';
import { openNotebooks, proposals } from './proposals/plugin';
import { runs } from './runs/plugin';
import { sidebar } from './sidebar/plugin';
import { toolCalls } from './tool_calls/plugin';

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  api,
  sidebar,
  toolCalls,
  proposals,
  runs,
  openNotebooks
];

export default plugins;
