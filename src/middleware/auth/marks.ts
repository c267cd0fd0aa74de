/** The mark that stores a resolver's yes, with its value. */
export const RESOLVED = 'resolved'
/** The mark that stores a resolver's no. */
export const VETOED = 'vetoed'
/** The mark of users whose dossier was read recently. */
export const VETTED = 'vetted'
/** The mark of users whose dossier speaks against them; its reason says what. */
export const SUSPECT = 'suspect'
