/*
 * Every option of sentinel(): what there is (schema), how one lies over another (layer), what holds in the end (read), and
 * where they come from (json, env).
 */
export { fromEnv, readEnv } from './options/env.js'
export { fromJson, parseJson } from './options/json.js'
export { layer, layerInForce } from './options/layer.js'
export { checkOptions, readOptions, withDefaults } from './options/read.js'
export { DEFAULTS, optionsSchema, type ResolvedOptions, type SentinelOptions } from './options/schema.js'
