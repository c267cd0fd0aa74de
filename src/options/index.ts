/*
 * Every option of sentinel(): which exist (schema), how one set is laid over another (layer), what applies in the end (read), and
 * where options come from (json, env).
 */
export { fromEnv, readEnv } from './env.js'
export { fromJson, parseJson } from './json.js'
export { layer, layerInForce } from './layer.js'
export { checkOptions, readOptions, withDefaults } from './read.js'
export { DEFAULTS, optionsSchema, type ResolvedOptions, type SentinelOptions } from './schema.js'
