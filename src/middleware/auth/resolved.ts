/** The mark that stores a resolver's yes, with its value. */
export const RESOLVED = 'resolved'
/** The mark that stores a resolver's no. */
export const VETOED = 'vetoed'
