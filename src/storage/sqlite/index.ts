export type { SqliteDatabase, SqliteStatement, SqliteValue } from './driver.js'
export { type SqliteOptions, sqlite } from './sqlite.js'
