import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './run.mjs'

/** The entry points of the package as declarations in dist, by name: `testing-jest` for `./testing/jest`. */
export const ENTRIES = Object.fromEntries(
  Object.entries(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).exports)
    .filter(([, target]) => target.types !== undefined)
    .map(([path, { types }]) => [
      path === '.' ? 'grammy-sentinel' : path.slice(2).replaceAll('/', '-'),
      types.replace(/^\.\//, ''),
    ]),
)
