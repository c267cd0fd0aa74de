import { Person } from '../people/person.js'
import { TelegramBot, TelegramChannel, TelegramGroup } from '../people/places.js'
import type { Patience } from '../people/waiting.js'
import type { Telegram } from '../telegram.js'
import type { Account } from '../world/accounts.js'
import type { SharedChat } from '../world/chats/chats.js'
import type { World } from '../world/world.js'
import { Problem } from './problem.js'

/** The controlled Telegram; looks up people, bots and chats by id, which is all that another process has. */
export class Stage {
  constructor(
    readonly telegram: Telegram,
    readonly world: World,
    private readonly patience: Patience,
  ) {}

  person(id: number): Person {
    const account = this.account(id)
    if (account.kind !== 'person') throw new Problem(400, 'account.kind', `${id} is a bot. Name a person.`)
    return new Person(this.world, this.patience, account)
  }

  bot(id: number): TelegramBot {
    const account = this.account(id)
    if (account.kind !== 'bot') throw new Problem(400, 'account.kind', `${id} is a person. Name a bot.`)
    return new TelegramBot(account, { apiRoot: this.telegram.apiRoot })
  }

  account(id: number): Account {
    const account = this.world.accounts.find(id)
    if (account === undefined) throw new Problem(404, 'account.missing', `There is no account ${id}.`)
    return account
  }

  room(id: number): SharedChat {
    const room = this.world.sharedChat(id)
    if (room === undefined) throw new Problem(404, 'chat.missing', `There is no chat ${id}.`)
    return room
  }

  place(id: number): TelegramGroup | TelegramChannel {
    const room = this.room(id)
    return room.kind === 'channel'
      ? new TelegramChannel(this.world, room)
      : new TelegramGroup(this.world, room)
  }

  group(id: number): TelegramGroup {
    const place = this.place(id)
    if (place instanceof TelegramGroup) return place
    throw new Problem(400, 'chat.kind', `${id} is a channel. Name a group.`)
  }

  channel(id: number): TelegramChannel {
    const place = this.place(id)
    if (place instanceof TelegramChannel) return place
    throw new Problem(400, 'chat.kind', `${id} is a group. Name a channel.`)
  }
}
