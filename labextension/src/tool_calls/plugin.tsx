import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';

import type { ToolCall } from '../api/client';
import { IHermes, IHermesSidebar } from '../tokens';
import { waitingInWords } from './model';
import { WaitingToolCalls } from './waiting';
import { Approvals } from './widget';

/** Approval of tool calls: cards in the sidebar, and a notification that points at them. */
export const toolCalls: JupyterFrontEndPlugin<void> = {
  id: 'hermes-lab:tool-calls',
  description: 'Shows tool calls that wait for approval.',
  autoStart: true,
  requires: [IHermes, IHermesSidebar, ISettingRegistry],
  activate: (
    _: JupyterFrontEnd,
    { client, changes }: IHermes,
    sidebar: IHermesSidebar,
    settingRegistry: ISettingRegistry
  ) => {
    const waiting = new WaitingToolCalls(client, changes);
    sidebar.addSection({
      id: 'tool-calls',
      rank: 10,
      render: () => <Approvals waiting={waiting} />
    });

    const pointer = new Pointer(() => sidebar.reveal());
    void settingRegistry.load('hermes-lab:plugin').then(settings => {
      const point = (): void => {
        const isWanted = settings.get('notifyToolCalls').composite !== false;
        pointer.show(isWanted ? waiting.state.calls : []);
      };
      waiting.stateChanged.connect(point);
      settings.changed.connect(point);
      point();
    });
  }
};

/** One notification for all calls that wait. It only points: the answer is given in the sidebar. */
class Pointer {
  constructor(private readonly _onShow: () => void) {}

  show(calls: readonly ToolCall[]): void {
    const message = waitingInWords(calls);
    if (message === this._message) {
      return;
    }
    this._message = message;
    if (this._id !== null) {
      Notification.dismiss(this._id);
      this._id = null;
    }
    if (message) {
      this._id = Notification.warning(message, {
        autoClose: false,
        actions: [{ label: 'Show', displayType: 'default', callback: this._onShow }]
      });
    }
  }

  private _id: string | null = null;
  private _message = '';
}
