import { isMissing, peer } from '../../src/core/peer.js'

/** An error as Node, or a loader of modules, throws it. */
const failed = (code: string, message: string): Error => Object.assign(new Error(message), { code })
/** The error of Yarn Plug'n'Play. */
const unplugged = (who: string, name: string, asked = ''): Error =>
  failed(
    'MODULE_NOT_FOUND',
    `${who} tried to access ${name} (a peer dependency) but it isn't provided by your application; this makes the require call ambiguous and unsound.

Required package: ${name}${asked}
Required by: ${who}@virtual:8985bf#npm:1.0.0 (via /bot/.yarn/cache/${who}.zip/node_modules/${who}/dist/)`,
  )

test.each([
  ['import()', failed('ERR_MODULE_NOT_FOUND', "Cannot find package 'ioredis' imported from /bot/a.js")],
  ['require()', failed('MODULE_NOT_FOUND', "Cannot find module 'ioredis'\nRequire stack:\n- /bot/a.js")],
  ["Yarn Plug'n'Play", unplugged('grammy-sentinel', 'ioredis')],
  [
    "import() under Yarn Plug'n'Play",
    unplugged('grammy-sentinel', 'ioredis', ' (via "ioredis/package.json")'),
  ],
])('a missing package is recognized by the error of %s', async (_, error) => {
  expect(isMissing(error, ['pg', 'ioredis'])).toBe(true)
  await expect(peer('redis', 'ioredis', () => Promise.reject(error))).rejects.toMatchObject({
    code: 'peer.missing',
    message: 'redis: its package is not installed. Run `npm install ioredis@^6.0.0`.',
    cause: error,
  })
})

test.each([
  ['of another code', failed('EACCES', "Cannot find package 'ioredis'")],
  [
    'about a file of the package',
    failed('MODULE_NOT_FOUND', "Cannot find module './x' of 'ioredis/lib/a.js'"),
  ],
  ['about a package that it requires', unplugged('ioredis', 'debug')],
  ['about a package whose name begins alike', unplugged('grammy-sentinel', 'ioredis-mock')],
])('an error %s does not mean that the package is missing', async (_, error) => {
  expect(isMissing(error, ['ioredis'])).toBe(false)
  await expect(peer('redis', 'ioredis', () => Promise.reject(error))).rejects.toBe(error)
})
