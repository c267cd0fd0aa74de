import type { TlObject } from '../../src/mtproto/protocol/tl/object.js'
import { parseCombinator } from '../../src/mtproto/protocol/tl/parse.js'
import { TlReader } from '../../src/mtproto/protocol/tl/reader.js'
import { currentSchema, Schema } from '../../src/mtproto/protocol/tl/schema.js'
import { encodeObject } from '../../src/mtproto/protocol/tl/writer.js'
import { fitted } from '../../src/telegram/mtproto/layers/fit.js'
import { layers } from '../../src/telegram/mtproto/layers/layers.js'
import { CHANGED } from '../../src/telegram/mtproto/layers/table.js'
import { client, onClient, server } from './bare-server.js'

const current = currentSchema()
const idIn = (layer: number, name: string) => layers().schema(layer).byName(name)?.id.toString(16)

test('a schema of a layer has the constructors of that layer', () => {
  // GramJS 2.26.22, layer 198; https://core.telegram.org/constructor/user?layer=198.
  expect(idIn(198, 'user')).toBe('4b46c37e')
  expect(idIn(198, 'message')).toBe('96fdbbe9')
  expect(idIn(200, 'user')).toBe('20b1422')
  expect(idIn(216, 'user')).toBe('20b1422')
  expect(idIn(227, 'user')).toBe(current.byName('user')?.id.toString(16))
  // A layer above the current one is read as the current one; a layer below the table gets the oldest one.
  expect(layers().schema(500)).toBe(layers().reading)
  expect(layers().schema(1)).toBe(layers().schema(198))
})

test('constructors of a later layer are unknown in earlier layers', () => {
  expect(idIn(222, 'messageEntityFormattedDate')).toBeUndefined()
  expect(idIn(223, 'messageEntityFormattedDate')).toBeDefined()
})

test('every line of the table can be parsed, and no id occurs twice or in the current layer', () => {
  const lines = CHANGED.split('\n').filter((line) => !line.startsWith('#') && !line.startsWith('-'))
  expect(lines.length).toBeGreaterThan(100)
  const numbers = lines.map((line) => parseCombinator(line, 'class').id)
  expect(new Set(numbers).size).toBe(numbers.length)
  for (const number of numbers) {
    expect(current.byId(number)).toBeUndefined()
    expect(layers().reading.byId(number)).toBeDefined()
  }
  // Looked up by name, constructors are those of the current layer.
  for (const { name, id } of current.combinators()) expect(layers().reading.byName(name)?.id).toBe(id)
})

describe('fitted() converts a value for an older layer', () => {
  const old = new Schema(
    [
      'box#1 flags:# title:string inside:flags.0?Thing all:Vector<Thing> gone:int on:flags.1?true = Box',
      'old#2 text:string = Thing',
    ].map((line) => parseCombinator(line, 'class')),
    100,
  )
  const thing = { _: 'old', text: 'a' }

  test('by dropping unknown values in optional fields and in lists', () => {
    const value = {
      _: 'box',
      title: 'x',
      inside: { _: 'new' },
      all: [thing, { _: 'new' }],
      added: 1,
      on: true,
    }
    const fit = fitted(old, value)
    expect(fit).toEqual({ _: 'box', title: 'x', all: [thing], gone: 0, on: true })
    expect(new TlReader(old, encodeObject(old, fit as TlObject)).object()).toMatchObject({
      _: 'box',
      on: true,
    })
  })

  test('by reducing a text with entities to its text', () => {
    const title = { _: 'old', text: 'a text' }
    expect(fitted(old, { _: 'box', title, all: [] })).toMatchObject({ title: 'a text' })
  })

  test('and throws if the value itself is unknown', () => {
    expect(() => fitted(old, { _: 'new' })).toThrow('new is not known in layer 100')
  })
})

/** A schema that records the ids that are looked up. */
class Watched extends Schema {
  readonly numbers: number[] = []

  constructor() {
    super([], 0)
  }

  override byId(id: number) {
    this.numbers.push(id)
    return layers().reading.byId(id)
  }
}

describe('with a server', () => {
  onClient()

  const inLayer = (layer: number, query: TlObject): TlObject => ({ _: 'invokeWithLayer', layer, query })
  const login = (token: string) => ({
    _: 'auth.importBotAuthorization',
    flags: 0,
    api_id: 1,
    api_hash: 'x',
    bot_auth_token: token,
  })

  test.each([198, 204, 227])(
    'a client of layer %i receives its own constructors, in answers and updates, on every connection',
    async (layer) => {
      const bot = server.world.accounts.addBot({ username: 'some_bot' })
      const own = layers().schema(layer).byName('user')?.id ?? 0
      const first = new Watched()
      client.reading = first
      await client.call(inLayer(layer, login(bot.token)))
      expect(first.numbers).toContain(own)
      const next = await client.again(server.port)
      try {
        const second = new Watched()
        next.reading = second
        await next.call({ _: 'users.getUsers', id: [{ _: 'inputUserSelf' }] })
        expect(second.numbers).toContain(own)
        const users = second.numbers.filter((number) => layers().reading.byId(number)?.name === 'user')
        expect(new Set(users)).toEqual(new Set([own]))
      } finally {
        next.close()
      }
    },
  )

  test('calls of older clients are understood, and unsupported methods named', async () => {
    const bot = server.world.accounts.addBot({ username: 'some_bot' })
    client.reading = layers().reading
    await client.call(inLayer(198, login(bot.token)))
    const old = layers().schema(198)
    const body = encodeObject(old, {
      _: 'messages.getUnreadReactions',
      peer: { _: 'inputPeerSelf' },
      offset_id: 0,
      add_offset: 0,
      limit: 1,
      max_id: 0,
      min_id: 0,
    })
    const id = client.sendBody(body)
    const { object } = await client.until(({ answers }) => answers === id)
    expect(object.error_message).toBe('METHOD_NOT_IMPLEMENTED: messages.getUnreadReactions')
  })

  test('layer 0 is refused', async () => {
    expect(await client.call(inLayer(0, { _: 'help.getConfig' }))).toMatchObject({
      error_message: 'CONNECTION_LAYER_INVALID',
    })
  })
})
