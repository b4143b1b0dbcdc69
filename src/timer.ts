/** The largest delay a timer accepts: 2³¹−1 ms, nearly 25 days. Node turns a larger one into 1 ms. */
export const largestTimerDelayMs = 2_147_483_647;

/** In ms since the epoch. Unlike the system clock it is never set back, which would make a policy look younger. */
export function steadyNow(): number {
  return performance.timeOrigin + performance.now();
}

/** The result of `work`, or `timeout` if that takes longer. */
export async function inTime<Result>(work: Promise<Result>, timeoutMs: number): Promise<Result | 'timeout'> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<'timeout'>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, 'timeout');
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
