let lastMs = NaN;
let lastText = '';

/** Kubernetes' MicroTime: RFC 3339 in UTC with six digits, of which the clock here knows three. */
export function microTime(time: Date): string {
  const ms = time.getTime();
  // Many events share a millisecond, and writing a date costs more than all the rest of an event.
  if (ms !== lastMs) {
    lastText = `${time.toISOString().slice(0, -1)}000Z`;
    lastMs = ms;
  }
  return lastText;
}
