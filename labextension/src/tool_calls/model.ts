/**
 * What a tool call that waits says to a person. Pure.
 */
import type { ToolCall } from '../api/client';
import { visible } from '../components/visible_text';
import { fileName } from '../components/words';

/**
 * One argument as it was sent: text as it is, everything else as JSON. Characters that are not seen, yet reorder or
 * hide what is, are spelled out.
 */
export interface IArgument {
  readonly name: string;
  readonly value: string;
  /** Text of its own, such as a command, rather than a setting. */
  readonly isText: boolean;
}

export function argumentsOf(call: ToolCall): readonly IArgument[] {
  return Object.entries(call.arguments).map(([name, value]) => ({
    name: visible(name),
    value: visible(typeof value === 'string' ? value : JSON.stringify(value, null, 2)),
    isText: typeof value === 'string' || (typeof value === 'object' && value !== null)
  }));
}

/** Where the call comes from, and that the cell is the kernel's word and not ours. */
export function origin(call: ToolCall): string {
  const notebook = call.path ? fileName(call.path) : 'a kernel without a notebook';
  const cell = call.reported_cell_id
    ? `; the kernel says that cell ${call.reported_cell_id} asks`
    : '';
  return visible(`${notebook}${cell}`);
}

/** Whether the time to answer is over. */
export function hasExpired(call: ToolCall, now: Date): boolean {
  return call.expires_at !== null && new Date(call.expires_at).getTime() <= now.getTime();
}

/** What a notification says about the calls that wait. */
export function waitingInWords(calls: readonly ToolCall[]): string {
  const [first] = calls;
  if (!first) {
    return '';
  }
  const where = first.path ? fileName(first.path) : 'A kernel';
  if (calls.length === 1) {
    return `${where} asks to use “${first.tool}”. It waits for your answer in the Hermes sidebar.`;
  }
  return `${calls.length} tool calls wait for your answer in the Hermes sidebar.`;
}
