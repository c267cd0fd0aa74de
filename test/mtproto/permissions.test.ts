import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as table from '../../src/mtproto/client/calls/permission-table.js'
import { LEARNED, PERMISSIONS } from '../../src/mtproto/client/calls/permissions.js'
import { whoMayCall } from '../../src/mtproto/index.js'

interface Script {
  readonly methodsOfLayer: () => {
    readonly layer: number
    readonly methods: readonly { readonly name: string }[]
  }
  readonly permissionTable: () => string
}
// A variable keeps the compiler from resolving the import, because the scripts are plain JavaScript.
const script: string = '../../scripts/permissions.mjs'
const { methodsOfLayer, permissionTable } = (await import(script)) as Script
const { layer, methods } = methodsOfLayer()
const names = methods.map(({ name }) => name)

test('the table matches the installed schema', () => {
  const path = fileURLToPath(new URL('../../src/mtproto/client/calls/permission-table.ts', import.meta.url))
  // If this fails: run `node scripts/permissions.mjs`.
  expect(readFileSync(path, 'utf8')).toBe(permissionTable())
  expect(table.LAYER).toBe(layer)
})

test('every method of the layer has an entry, and there are no others', () => {
  expect([...PERMISSIONS.keys()].sort()).toEqual([...names].sort())
  expect(names.length).toBeGreaterThan(700)
})

test('no learned entry repeats the table', () => {
  const told = `${table.PEOPLE}\n${table.BOTS}`
  const same = [...LEARNED].filter(([name, who]) => {
    const [space, own] = name.split('.')
    const line = told
      .split('\n')
      .find((each) => each.startsWith(`${space}:`) && each.split(' ').includes(String(own)))
    return line !== undefined && (table.PEOPLE.includes(line) ? 'people' : 'bots') === who
  })
  expect(same).toEqual([])
})

test.each([
  ['messages.getHistory', 'people'],
  ['channels.deleteParticipantHistory', 'people'],
  ['channels.getParticipants', 'everybody'],
  // Telegram lists these methods only for people, but bots can react and load from CDNs.
  ['messages.sendReaction', 'everybody'],
  ['upload.getCdnFile', 'everybody'],
  ['messages.setInlineBotResults', 'bots'],
  // Only the documented errors of the method say so.
  ['payments.refundStarsCharge', 'bots'],
  ['initConnection', 'everybody'],
  ['smsjobs.join', 'unknown'],
  ['messages.noSuchThing', undefined],
  ['constructor', undefined],
])('%s may be called by: %s', (method, who) => {
  expect(whoMayCall(method)).toBe(who)
})
