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
// By a name the compiler cannot follow: the scripts are plain JavaScript.
const script: string = '../../scripts/permissions.mjs'
const { methodsOfLayer, permissionTable } = (await import(script)) as Script
const { layer, methods } = methodsOfLayer()
const names = methods.map(({ name }) => name)

test('the table is what the installed schema makes of it', () => {
  const path = fileURLToPath(new URL('../../src/mtproto/client/calls/permission-table.ts', import.meta.url))
  // Stale? Run `node scripts/permissions.mjs`.
  expect(readFileSync(path, 'utf8')).toBe(permissionTable())
  expect(table.LAYER).toBe(layer)
})

test('every method of the layer has an entry, and nothing else has', () => {
  expect([...PERMISSIONS.keys()].sort()).toEqual([...names].sort())
  expect(names.length).toBeGreaterThan(700)
})

test('what was learned tells more than the table does', () => {
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
  // Telegram's list has these as for people only; bots react, and load from CDNs.
  ['messages.sendReaction', 'everybody'],
  ['upload.getCdnFile', 'everybody'],
  ['messages.setInlineBotResults', 'bots'],
  // Told by its documented errors only.
  ['payments.refundStarsCharge', 'bots'],
  ['initConnection', 'everybody'],
  ['smsjobs.join', 'unknown'],
  ['messages.noSuchThing', undefined],
  ['constructor', undefined],
])('who may call %s is told: %s', (method, who) => {
  expect(whoMayCall(method)).toBe(who)
})
