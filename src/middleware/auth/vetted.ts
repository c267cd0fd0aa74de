/** The mark of users whose dossier was read recently. */
export const VETTED = 'vetted'
/** The mark of users whose dossier speaks against them; its reason says what. */
export const SUSPECT = 'suspect'
