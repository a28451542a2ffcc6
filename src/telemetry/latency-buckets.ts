/** Seconds. One edge is at exactly 1 s, so that an alert on "over a second" reads it off instead of interpolating. */
export const latencyBuckets: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
