import { describe, expect, it } from 'vitest';

import { ago, countdown, duration } from './moment';

const NOW = new Date('2026-11-23T12:00:00Z');

describe('moments', () => {
  it('says how long ago something was in the largest fitting unit', () => {
    expect(ago('2026-11-23T11:59:57Z', NOW)).toBe('just now');
    expect(ago('2026-11-23T11:59:20Z', NOW)).toBe('40 seconds ago');
    expect(ago('2026-11-23T11:57:00Z', NOW)).toBe('3 minutes ago');
    expect(ago('2026-11-22T12:00:00Z', NOW)).toBe('yesterday');
    expect(ago('2026-11-23T11:57:00Z', NOW, 'short')).toBe('3m ago');
    expect(ago('2024-11-23T12:00:00Z', NOW)).toBe('2 years ago');
    expect(ago('2026-11-23T12:00:25Z', NOW, 'short')).toBe('just now');
  });

  it('shows tenths only where they matter', () => {
    expect(duration(0.42)).toBe('0.4 s');
    expect(duration(12.4)).toBe('12 s');
    expect(duration(59.7)).toBe('1 min');
    expect(duration(185)).toBe('3 min 5 s');
    expect(duration(7800)).toBe('2 h 10 min');
  });

  it('counts down to zero and stays there', () => {
    expect(countdown('2026-11-23T12:01:05Z', NOW)).toBe('1:05');
    expect(countdown('2026-11-23T11:59:00Z', NOW)).toBe('0:00');
  });
});
