/**
 * Updates are not numbered by `seq`. A difference would have to contain everything that `seq` counts, but callback and inline
 * queries are never part of a difference: a client that fetches one while such a query arrives would take the query for already
 * seen (https://core.telegram.org/api/updates).
 */
export const NO_SEQ = 0
