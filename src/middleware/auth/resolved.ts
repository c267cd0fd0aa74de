/** The mark that keeps a resolver's yes, with what it brought. */
export const RESOLVED = 'resolved'
/** The mark that keeps a resolver's no. */
export const VETOED = 'vetoed'
