let lastSecond = NaN;
let lastText = '';

/** Kubernetes' MicroTime: RFC 3339 in UTC with six digits, of which the clock here knows three. */
export function microTime(time: Date): string {
  const ms = time.getTime();
  const second = Math.floor(ms / 1000);
  // Many events share a second, and writing a date costs as much as all the rest of an event.
  if (second !== lastSecond) {
    lastText = time.toISOString().slice(0, -'000Z'.length);
    lastSecond = second;
  }
  return `${lastText}${String(ms - second * 1000).padStart(3, '0')}000Z`;
}
