/**
 * Moments and durations in words a person uses. All inputs are UTC ISO strings or seconds.
 */

const STEPS: readonly [limit: number, seconds: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [60, 1, 'second'],
  [3600, 60, 'minute'],
  [86_400, 3600, 'hour'],
  [86_400 * 30, 86_400, 'day'],
  [86_400 * 365, 86_400 * 30, 'month'],
  [Infinity, 86_400 * 365, 'year']
];

const RELATIVE = {
  long: new Intl.RelativeTimeFormat('en', { numeric: 'auto' }),
  short: new Intl.RelativeTimeFormat('en', { numeric: 'always', style: 'narrow' })
};

/**
 * "3 minutes ago", "just now"; in the short form "3m ago". What seems to lie ahead is "just now": a view's clock beats
 * only now and then, and the server's may be ahead of it.
 */
export function ago(moment: string, now: Date, form: 'long' | 'short' = 'long'): string {
  const size = (now.getTime() - new Date(moment).getTime()) / 1000;
  if (size < 10) {
    return 'just now';
  }
  const [, unitSeconds, unit] = STEPS.find(([limit]) => size < limit) ?? STEPS[0]!;
  return RELATIVE[form].format(-Math.trunc(size / unitSeconds), unit);
}

/** "0.4 s", "12 s", "3 min 5 s", "2 h 10 min". */
export function duration(seconds: number): string {
  if (seconds < 10) {
    return `${seconds.toFixed(1)} s`;
  }
  const whole = Math.round(seconds);
  if (whole < 60) {
    return `${whole} s`;
  }
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) {
    return whole % 60 ? `${minutes} min ${whole % 60} s` : `${minutes} min`;
  }
  const hours = Math.floor(minutes / 60);
  return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
}

/** The time left until a moment, "1:05"; "0:00" when it has passed. */
export function countdown(until: string, now: Date): string {
  const left = Math.max(0, Math.ceil((new Date(until).getTime() - now.getTime()) / 1000));
  return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
}

/** The moment in the person's own time zone, for a tooltip. */
export function exactly(moment: string): string {
  return new Date(moment).toLocaleString();
}
