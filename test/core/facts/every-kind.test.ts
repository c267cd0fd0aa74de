import type { Chat, Update, User } from '@grammyjs/types'
import { API_CONSTANTS } from 'grammy'
import { describe as factsOf } from '../../../src/core/facts.js'
import { UPDATE_KINDS } from '../../../src/core/kinds.js'
import { subjectKey } from '../../../src/core/subject.js'
import { actorOf, alice, anonymous, at, channelBot, news, plaza, ROWS, read, text } from './updates.js'

describe('the facts', () => {
  test('contain exactly the kinds of update that grammY knows', () => {
    expect([...UPDATE_KINDS].sort()).toEqual([...API_CONSTANTS.ALL_UPDATE_TYPES].sort())
    expect(new Set(UPDATE_KINDS).size).toBe(27)
  })

  test.each(UPDATE_KINDS)('of an update of kind %s', (kind) => {
    const row = ROWS[kind]
    const facts = read(row.update)
    expect({
      updateId: facts.updateId,
      kind: facts.kind,
      activity: facts.activity,
      actor: actorOf(facts),
      actorId: facts.actorId,
      actorKind: facts.actorKind,
      chatId: facts.chatId,
      chatType: facts.chatType,
      inGroup: facts.inGroup,
      cost: facts.cost,
      command: facts.command,
      album: facts.album,
      user: facts.user,
      target: facts.target,
      languageCode: facts.languageCode,
      compared: facts.fingerprint !== undefined,
    }).toEqual({
      updateId: 1,
      kind,
      activity: row.activity,
      actor: row.actor,
      actorId: row.actor === undefined ? undefined : Number(row.actor.slice(1)),
      actorKind: row.actorKind,
      chatId: row.chat?.id,
      chatType: row.chat?.type,
      inGroup: row.chat === plaza,
      cost: row.cost,
      command: row.command,
      album: row.album,
      user: row.user,
      target: row.target,
      languageCode: row.user?.language_code,
      compared: row.compared ?? false,
    })
  })

  test('of an unknown kind have no actor, chat, user or fingerprint', () => {
    const facts = factsOf({ update_id: 9, telepathy: { from: alice, chat: plaza } } as Update)
    expect([facts.updateId, facts.kind, facts.activity, facts.cost]).toEqual([9, undefined, 'unknown', 0])
    expect([facts.actor, facts.chatId, facts.user, facts.fingerprint]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })
})

describe('the subject of an update', () => {
  test.each(UPDATE_KINDS)('of an update of kind %s is the actor', (kind) => {
    const facts = read(ROWS[kind].update)
    expect(facts.subject === undefined ? undefined : subjectKey(facts.subject)).toBe(facts.actor)
  })

  test('distinguishes channels and anonymous administrators of groups from users', () => {
    const as = (from: User, sender_chat: Chat) =>
      read({ message: { ...at, chat: plaza, from, sender_chat, text: 'hi' } }).subject
    expect(as(channelBot, news)).toEqual({ kind: 'sender', id: news.id, name: '' })
    expect(as(anonymous, plaza)).toEqual({ kind: 'sender', id: plaza.id, name: '' })
    expect(read({ message: text('hi') }).subject).toEqual({ kind: 'user', id: 7, name: '' })
  })
})
