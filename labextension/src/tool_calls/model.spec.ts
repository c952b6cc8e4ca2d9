import { describe, expect, it } from 'vitest';

import type { ToolCall } from '../api/client';
import { argumentsOf, hasExpired, origin, waitingInWords } from './model';

function call(fields: Partial<ToolCall> = {}): ToolCall {
  return {
    tool_call_id: 't',
    version: 1,
    state: 'awaiting_approval',
    tool: 'terminal',
    arguments: { command: 'ls -la\nrm x', timeout: 5 },
    digest: '0',
    kernel_id: 'k',
    path: 'ops/fleet.ipynb',
    reported_cell_id: 'abc',
    policy: 'ask',
    result: null,
    message: null,
    decided_by: null,
    created_at: '2026-11-23T12:00:00Z',
    expires_at: '2026-11-23T12:02:00Z',
    decided_at: null,
    ended_at: null,
    ...fields
  };
}

describe('a tool call', () => {
  it('shows its arguments exactly, line breaks included', () => {
    expect(argumentsOf(call())).toEqual([
      { name: 'command', value: 'ls -la\nrm x', isText: true },
      { name: 'timeout', value: '5', isText: false }
    ]);
  });

  it('spells what would reorder or hide a part of an argument', () => {
    const asked = call({ arguments: { command: 'ls \u202e# fr- mr', env: { A: 'x\u200by' } } });
    expect(argumentsOf(asked).map(({ value }) => value)).toEqual([
      'ls \\u202e# fr- mr',
      '{\n  "A": "x\\u200by"\n}'
    ]);
  });

  it('says that the cell is what the kernel reports', () => {
    expect(origin(call())).toBe('fleet.ipynb; the kernel says that cell abc asks');
    expect(origin(call({ path: null, reported_cell_id: null }))).toBe(
      'a kernel without a notebook'
    );
  });

  it('expires at its moment', () => {
    expect(hasExpired(call(), new Date('2026-11-23T12:01:59Z'))).toBe(false);
    expect(hasExpired(call(), new Date('2026-11-23T12:02:00Z'))).toBe(true);
    expect(hasExpired(call({ expires_at: null }), new Date('2030-01-01T00:00:00Z'))).toBe(false);
  });

  it('points at the sidebar in the notification, with the number of calls', () => {
    expect(waitingInWords([call()])).toContain('fleet.ipynb asks to use “terminal”');
    expect(waitingInWords([call(), call()])).toContain('2 tool calls wait');
  });
});
