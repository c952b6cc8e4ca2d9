import { ServerConnection } from '@jupyterlab/services';
import createClient, { type Client } from 'openapi-fetch';

import { HermesError } from './errors';
import type { components, paths } from './generated';

type Schemas = components['schemas'];

export type Proposal = Schemas['Proposal'];
export type ProposalSummary = Schemas['ProposalSummary'];
export type ProposedChange = Schemas['ProposedChange'];
export type ChangeDecision = NonNullable<ProposedChange['decision']>;
export type Hunk = Schemas['Hunk'];
export type Conflict = Schemas['Conflict'];
export type Review = Schemas['Review'];
export type Evidence = Schemas['Evidence'];
export type EvidenceRun = Schemas['EvidenceRun'];
export type ScrapChange = Schemas['ScrapChange'];
export type Run = Schemas['Run'];
export type ToolCall = Schemas['ToolCall'];
export type Author = Schemas['Author'];

/** One page of a list, newest first. */
export interface IPage<T> {
  readonly items: readonly T[];
  readonly next_cursor: string | null;
}

/** What a review may say; the proposal's id is in the address. */
export type ReviewRequest = Pick<
  Partial<Schemas['ReviewProposal']>,
  'decisions' | 'verdict' | 'comment'
>;

/**
 * The operations of hermes_lab that the front end uses, typed from the server's OpenAPI description.
 *
 * Every method rejects with a `HermesError` when the server refuses, and with Jupyter's
 * `ServerConnection.NetworkError` when it cannot be reached.
 */
export class HermesClient {
  constructor(settings: ServerConnection.ISettings) {
    this._http = createClient<paths>({
      baseUrl: settings.baseUrl.replace(/\/$/, ''),
      fetch: request => send(request, settings)
    });
  }

  async listProposals(cursor?: string): Promise<IPage<ProposalSummary>> {
    return answered(this._http.GET('/hermes/api/proposals', { params: { query: { cursor } } }));
  }

  async getProposal(proposalId: string): Promise<Proposal> {
    const path = { proposal_id: proposalId };
    return answered(this._http.GET('/hermes/api/proposals/{proposal_id}', { params: { path } }));
  }

  async getProposalNotebooks(proposalId: string): Promise<Schemas['ProposalNotebooks']> {
    const path = { proposal_id: proposalId };
    return answered(
      this._http.GET('/hermes/api/proposals/{proposal_id}/notebooks', { params: { path } })
    );
  }

  async reviewProposal(proposalId: string, review: ReviewRequest): Promise<Proposal> {
    const path = { proposal_id: proposalId };
    return answered(
      this._http.POST('/hermes/api/proposals/{proposal_id}/reviews', {
        params: { path },
        body: review as Schemas['ReviewProposal']
      })
    );
  }

  async mergeProposal(proposalId: string): Promise<Proposal> {
    const path = { proposal_id: proposalId };
    return answered(
      this._http.POST('/hermes/api/proposals/{proposal_id}/merge', {
        params: { path },
        body: {} as Schemas['MergeProposal']
      })
    );
  }

  async createEvidence(proposalId: string): Promise<Evidence> {
    return answered(this._http.POST('/hermes/api/evidence', { body: { proposal_id: proposalId } }));
  }

  async decideEvidence(evidenceId: string, decision: 'allow' | 'deny'): Promise<Evidence> {
    const path = { evidence_id: evidenceId };
    return answered(
      this._http.POST('/hermes/api/evidence/{evidence_id}/decision', {
        params: { path },
        body: { decision } as Schemas['DecideEvidence']
      })
    );
  }

  async listRuns(cursor?: string): Promise<IPage<Run>> {
    const query = { cursor, origin: 'request' as const };
    return answered(this._http.GET('/hermes/api/runs', { params: { query } }));
  }

  async cancelRun(runId: string): Promise<Run> {
    return answered(
      this._http.POST('/hermes/api/runs/{run_id}/cancel', { params: { path: { run_id: runId } } })
    );
  }

  async rerunRun(runId: string): Promise<Run> {
    return answered(
      this._http.POST('/hermes/api/runs/{run_id}/rerun', {
        params: { path: { run_id: runId } },
        body: {} as Schemas['RerunRun']
      })
    );
  }

  async getRunNotebook(runId: string): Promise<Schemas['RunNotebook']> {
    return answered(
      this._http.GET('/hermes/api/runs/{run_id}/notebook', { params: { path: { run_id: runId } } })
    );
  }

  async listWaitingToolCalls(): Promise<IPage<ToolCall>> {
    const query = { state: 'awaiting_approval' as const, limit: 200 };
    return answered(this._http.GET('/hermes/api/tool_calls', { params: { query } }));
  }

  async decideToolCall(call: ToolCall, decision: 'allow' | 'deny'): Promise<ToolCall> {
    const path = { tool_call_id: call.tool_call_id };
    return answered(
      this._http.POST('/hermes/api/tool_calls/{tool_call_id}/decision', {
        params: { path },
        // The digest binds the answer to exactly what was shown.
        body: { decision, digest: call.digest } as Schemas['DecideToolCall']
      })
    );
  }

  private readonly _http: Client<paths>;
}

interface IAnswer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

async function answered<T>(answer: Promise<IAnswer<T>>): Promise<T> {
  const { data, error, response } = await answer;
  if (data === undefined) {
    throw HermesError.fromAnswer(response, error);
  }
  return data;
}

/** Send through Jupyter's own connection, which adds the token and the XSRF header. */
async function send(request: Request, settings: ServerConnection.ISettings): Promise<Response> {
  const body = request.method === 'GET' ? undefined : await request.text();
  // With `no-store`, Jupyter adds the time to the query, and our server refuses fields that it does not know.
  const init: RequestInit = { method: request.method, body, cache: 'no-cache' };
  return ServerConnection.makeRequest(request.url, init, settings);
}
