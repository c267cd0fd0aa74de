/*
 * Every option of sentinel(): which exist (schema), how one set is laid over another (layer), what applies in the end (read), and
 * where options come from (json, env).
 */
export { fromEnv, readEnv } from './options/env.js'
export { fromJson, parseJson } from './options/json.js'
export { layer, layerInForce } from './options/layer.js'
export { checkOptions, readOptions, withDefaults } from './options/read.js'
export { DEFAULTS, optionsSchema, type ResolvedOptions, type SentinelOptions } from './options/schema.js'
