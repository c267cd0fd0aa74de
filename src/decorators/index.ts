export { handlers } from './handlers.js'
export type { Fits, Registrar } from './registrar.js'
export { callbackQuery, command, hears, type KindOfTransition, membership, on } from './registrars.js'
