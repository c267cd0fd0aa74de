/** The mark of whose dossier was read of late. */
export const VETTED = 'vetted'
/** The mark of whose dossier speaks against them; its reason says what. */
export const SUSPECT = 'suspect'
