/** The secret that servers of the benchmark expect and its load sends. */
export const SECRET = 'a-secret-of-the-benchmark'
