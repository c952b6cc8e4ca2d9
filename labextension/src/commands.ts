/**
 * Commands open views. Accepting, rejecting, merging and approving are deliberately not among them: stored
 * output can make a person click a command, so these are handlers of our own buttons alone.
 */
export const CommandIDs = {
  openProposal: 'hermes:open-proposal',
  openSidebar: 'hermes:open-sidebar'
} as const;
