import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';

import type { Run } from '../api/client';
import { describe } from '../api/errors';
import { PagedList } from '../components/paged_list';
import { IHermes, IHermesSidebar } from '../tokens';
import { notebookOf } from './model';
import { RunList } from './widget';

/** Runs in the sidebar. */
export const runs: JupyterFrontEndPlugin<void> = {
  id: 'hermes-lab:runs',
  description: 'Lists runs in the Hermes sidebar.',
  autoStart: true,
  requires: [IHermes, IHermesSidebar],
  activate: (app: JupyterFrontEnd, { client, changes }: IHermes, sidebar: IHermesSidebar) => {
    const list = new PagedList<Run>({
      fetch: cursor => client.listRuns(cursor),
      id: ({ run_id }) => run_id,
      changes,
      concerns: change => change?.noun === 'runs'
    });
    const cancel = (run: Run): void => {
      client.cancelRun(run.run_id).catch((error: unknown) => {
        Notification.error(`The run was not stopped: ${describe(error)}`);
      });
    };
    const rerun = async (run: Run): Promise<void> => {
      try {
        await client.rerunRun(run.run_id);
      } catch (error: unknown) {
        Notification.error(`The run was not repeated: ${describe(error)}`);
      }
    };
    sidebar.addSection({
      id: 'runs',
      rank: 30,
      render: () => (
        <RunList
          list={list}
          onOpen={run => void app.commands.execute('docmanager:open', { path: notebookOf(run) })}
          onCancel={cancel}
          onRerun={rerun}
        />
      )
    });
  }
};
