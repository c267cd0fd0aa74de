import { METHODS } from '../../src/telegram/bot-api/methods/index.js'
import { METHOD_NAMES, type MethodName, signatureOf } from '../../src/telegram/bot-api/schema/schema.js'
import { setting, VALID } from './valid-calls.js'

/** Served as well: old names, and two methods whose required parameter is an upload. Other tests call them. */
const ELSEWHERE = ['kickChatMember', 'getChatMembersCount', 'setChatPhoto', 'setMyProfilePhoto']

test('every served method is called below', () => {
  const served = METHOD_NAMES.filter((name) => METHODS[name] !== undefined)
  expect(new Set(served)).toEqual(new Set([...Object.keys(VALID), ...ELSEWHERE]))
})

/** Required parameters that Telegram accepts as missing, because an empty value has a meaning. */
const LENIENT: Readonly<Record<string, readonly string[]>> = {
  setWebhook: ['url'],
  setMyCommands: ['commands'],
  answerInlineQuery: ['results'],
  getCustomEmojiStickers: ['custom_emoji_ids'],
  setChatAdministratorCustomTitle: ['custom_title'],
}

describe('a method answers a valid call, and refuses calls without a required parameter', () => {
  test.each(Object.keys(VALID) as MethodName[])('%s', async (method) => {
    const { call, scene, close } = await setting()
    const params = VALID[method]!(scene)
    for (const { name, optional } of signatureOf(method).parameters.values()) {
      if (optional || LENIENT[method]?.includes(name) === true) continue
      const { [name]: missing, ...rest } = params
      expect([name, missing]).not.toEqual([name, undefined])
      const refusal = await call(method, rest)
      expect([name, refusal]).toEqual([name, expect.objectContaining({ ok: false, error_code: 400 })])
      expect(refusal.description).toMatch(/^Bad Request: \S/)
    }
    const answer = await call(method, params)
    expect(answer).toEqual({ ok: true, result: expect.anything() })
    await close()
  })
})
