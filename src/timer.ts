/** The largest delay a timer accepts: 2³¹−1 ms, nearly 25 days. Node takes a larger one for 1 ms. */
export const largestTimerDelayMs = 2_147_483_647;
