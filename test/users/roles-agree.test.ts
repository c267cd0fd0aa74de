import { InlineKeyboard } from 'grammy'
import { definePolicy, policy, requirePermission, requireRole, sentinel, subject } from '../../src/index.js'
import type { TelegramChannel, TelegramGroup } from '../../src/telegram/index.js'
import { type GuardedContext, type Rig, rig } from '../middleware/rig.js'

/* Guards, ctx.sentinel and the sentinel itself must give the same answer, in every kind of chat. */

const ROLES = {
  mod: { allow: ['posts.hide'] },
  banned: { deny: ['posts.hide', 'posts.delete'] },
  'chat:administrator': { allow: ['posts.delete'] },
}

let on: Rig
const guards: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const guard of guards.splice(0)) await guard.close()
  await on.stop()
})

/** A bot with one guard in front of each command and button; `admitted` lists what passed. */
async function stand() {
  const guard = sentinel<GuardedContext>({ throttle: false, debounce: false, roles: ROLES })
  guards.push(guard)
  const admitted: string[] = []
  const answers: boolean[] = []
  on = await rig(guard, (bot) => {
    const behind = {
      administrator: requireRole<GuardedContext>('chat:administrator'),
      creator: requireRole<GuardedContext>('chat:creator'),
      mod: requireRole<GuardedContext>('mod'),
      hide: requirePermission<GuardedContext>('posts.hide'),
      delete: requirePermission<GuardedContext>('posts.delete'),
      staff: policy<GuardedContext>(definePolicy('staff', { roles: ['chat:administrator', 'mod'] })),
    }
    for (const [name, wanted] of Object.entries(behind)) {
      bot.command(name, wanted, () => {
        admitted.push(name)
      })
      bot.callbackQuery(name, wanted, (ctx) => {
        admitted.push(name)
        return ctx.answerCallbackQuery()
      })
    }
    bot.on(['callback_query', 'msg'], async (ctx) => {
      answers.push(
        await ctx.sentinel.hasRole('chat:administrator'),
        await ctx.sentinel.hasRole('mod'),
        await ctx.sentinel.can('posts.hide'),
        await ctx.sentinel.can('posts.delete'),
      )
    })
  })
  return { guard, admitted, answers }
}

const KEYS = ['administrator', 'creator', 'mod', 'hide', 'delete', 'staff', 'ask'] as const

describe.each(['group', 'channel'] as const)('in a %s', (kind) => {
  /** Adds the chat, which Alice owns and the bot administers, and a message with all buttons. */
  async function posted() {
    const at = await stand()
    const title = 'Plaza'
    const chat: TelegramGroup | TelegramChannel =
      kind === 'group'
        ? on.telegram.createGroup({ title, owner: on.alice, members: [on.bob], admins: [on.account] })
        : on.telegram.createChannel({ title, owner: on.alice, members: [on.bob], admins: [on.account] })
    on.start()
    const keyboard = new InlineKeyboard()
    for (const key of KEYS) keyboard.text(key, key)
    const sent = await on.bot.api.sendMessage(chat.id, 'Choose', { reply_markup: keyboard })
    const message = chat.messages.find(({ message_id }) => message_id === sent.message_id)
    const taps = async (person: Rig['alice']): Promise<void> => {
      for (const key of KEYS)
        await person.in(chat as TelegramGroup).taps(message as NonNullable<typeof message>, key)
      await on.settled()
    }
    return { ...at, chat, taps }
  }

  test('the owner is admitted by the roles that Telegram gives', async () => {
    const { admitted, answers, taps } = await posted()
    await taps(on.alice)
    expect(admitted).toEqual(['administrator', 'creator', 'delete', 'staff'])
    expect(answers).toEqual([true, false, false, true])
  })

  test('others are admitted by roles granted there, and refused by denials there', async () => {
    const { guard, admitted, answers, chat, taps } = await posted()
    await taps(on.bob)
    expect([admitted, answers]).toEqual([[], [false, false, false, false]])
    await guard.grant(on.bob.id, 'mod', { chat: chat.id })
    await taps(on.bob)
    expect(admitted).toEqual(['mod', 'hide', 'staff'])
    expect(answers.slice(4)).toEqual([false, true, true, false])
    await guard.grant(on.bob.id, 'banned', { chat: chat.id })
    await taps(on.bob)
    expect(admitted.slice(3)).toEqual(['mod', 'staff'])
    expect(answers.slice(8)).toEqual([false, true, false, false])
  })

  test('an actor who writes as the chat itself is one of its administrators', async () => {
    const { guard, admitted, answers, chat } = await posted()
    for (const key of KEYS) {
      if (kind === 'group')
        await on.alice
          .in(chat as TelegramGroup)
          .anonymously()
          .sends(`/${key}`)
      else await on.alice.in(chat as TelegramChannel).posts(`/${key}`)
    }
    await on.settled()
    expect(admitted).toEqual(['administrator', 'delete', 'staff'])
    expect(answers).toEqual([true, false, false, true])
    expect(await guard.can(subject.sender(chat.id), 'posts.delete', { chat: chat.id })).toBe(true)
  })
})

test('a channel that writes in a group is not an administrator of the group', async () => {
  const { admitted, answers } = await stand()
  const group = on.telegram.createGroup({
    title: 'Plaza',
    owner: on.bob,
    members: [on.alice],
    admins: [on.account],
  })
  const channel = on.telegram.createChannel({
    title: 'News',
    owner: on.alice,
    admins: [on.account],
    linkedGroup: group,
  })
  on.start()
  await on.alice.in(channel).posts('/administrator')
  await on.settled()
  // The post in the channel is admitted; its automatic forward into the group is not.
  expect(admitted).toEqual(['administrator'])
  expect(answers).toEqual([])
})

test('in a private chat, roles granted there count and Telegram gives none', async () => {
  const { guard, admitted, answers } = await stand()
  on.start()
  const says = async (): Promise<void> => {
    for (const key of KEYS) await on.alice.to(on.account).sends(`/${key}`)
    await on.settled()
  }
  await says()
  await guard.grant(on.alice.id, 'mod', { chat: on.alice.id })
  await says()
  expect(admitted).toEqual(['mod', 'hide', 'staff'])
  expect(answers).toEqual([false, false, false, false, false, true, true, false])
})
