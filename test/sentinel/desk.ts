import { Bot } from 'grammy'
import type { Update } from 'grammy/types'
import { type Sentinel, type SentinelOptions, sentinel } from '../../src/index.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import type { Telegram } from '../../src/telegram/index.js'
import { Extras } from '../extras.js'
import { type GuardedContext, Stage } from '../middleware/rig.js'

/** A call of the bot, as it would have been sent to Telegram. */
export interface Call {
  readonly bot: number
  readonly method: string
  readonly payload: Readonly<Record<string, unknown>>
}

/** A bot whose updates are passed to it, and whose calls an embedded Telegram records and answers: no network. */
export interface DeskBot {
  readonly telegram: Telegram
  readonly bot: Bot<GuardedContext>
  readonly id: number
  /** The updates that reached the handlers: texts, or the kind of content. */
  readonly reached: string[]
  handle(update: Update): Promise<void>
  /** Sets the administrators of the group that {@link says} uses. */
  hasAdministrators(...ids: readonly number[]): void
}

/** A sentinel in front of a bot, with a clock that is moved by hand. */
export interface Desk extends DeskBot {
  readonly guard: Sentinel<GuardedContext>
  readonly time: Stage
  readonly calls: Call[]
  /** Sends private messages; each text is an update of its own. */
  says(from: number, ...texts: string[]): Promise<void>
  /** Another bot; with the same sentinel unless another one is given. */
  another(id: number, guard?: Sentinel<GuardedContext>): DeskBot
  /** The texts that the bot sent. */
  readonly notices: string[]
  /** Waits until the sentinel has no pending work. */
  quiet(): Promise<void>
}

export function desk(
  options: SentinelOptions = {},
  handlers: (bot: Bot<GuardedContext>) => void = () => undefined,
): Desk {
  const time = new Stage()
  const guard = sentinel<GuardedContext>({ clock: time.clock, timers: time.timers, ...options })
  const calls: Call[] = []
  const notices: string[] = []
  const extras = new Extras(time.clock, (call) => {
    calls.push(call)
    if (call.method === 'sendMessage') notices.push(String(call.payload.text))
  })
  const first = deskBot(42, guard, extras, handlers)
  return {
    ...first,
    guard,
    time,
    calls,
    async says(from, ...texts) {
      for (const text of texts) await first.handle(says(from, text))
    },
    another: (id, other = guard) => deskBot(id, other, extras, handlers),
    notices,
    quiet: () => idle(guard),
  }
}

/** Waits until nothing runs in the background of a guard. */
export async function idle(guard: Pick<Sentinel, 'health'>): Promise<void> {
  while ((await guard.health()).background.running > 0) await tick()
}

/** Lets all pending promises continue. */
export function tick(): Promise<void> {
  return new Promise((done) => setImmediate(done))
}

function deskBot(
  id: number,
  guard: Sentinel<GuardedContext>,
  extras: Extras,
  handlers: (bot: Bot<GuardedContext>) => void,
): DeskBot {
  const { account, config } = extras.hire(id)
  const bot = new Bot<GuardedContext>(account.token, config)
  bot.use(guard)
  const reached: string[] = []
  bot.use((ctx, next) => {
    const { update_id: _, ...content } = ctx.update
    reached.push(ctx.callbackQuery?.data ?? ctx.msg?.text ?? (Object.keys(content)[0] as string))
    return next()
  })
  handlers(bot)
  return {
    telegram: extras.telegram,
    bot,
    id,
    reached,
    handle: (update) => bot.handleUpdate(update),
    hasAdministrators: (...ids) => extras.gather(account, GROUP.id, ids),
  }
}

let lastId = 0
/** Ids as Telegram assigns them: each is unique. */
export function nextId(): number {
  return ++lastId
}

const GROUP = { id: -1001000000001, type: 'supergroup', title: 'Plaza' } as const

export function user(id: number, language_code?: string): import('grammy/types').User {
  return {
    id,
    is_bot: false,
    first_name: `User ${id}`,
    ...(language_code === undefined ? {} : { language_code }),
  }
}

function command(text: string): object {
  const name = /^\/\w+/.exec(text)
  return name === null ? {} : { entities: [{ type: 'bot_command', offset: 0, length: name[0].length }] }
}

/** A message in private, or in a group. */
export function says(
  from: number,
  text: string,
  { group = false, id = nextId(), language = 'en' }: { group?: boolean; id?: number; language?: string } = {},
): Update {
  const chat = group ? GROUP : ({ id: from, type: 'private', first_name: `User ${from}` } as const)
  const message = {
    message_id: id,
    date: 1_767_225_600,
    text,
    chat,
    from: user(from, language),
    ...command(text),
  }
  return { update_id: id, message: message as Update['message'] & object }
}

/** An edit of something said in private. */
export function edits(from: number, text: string): Update {
  const { update_id, message } = says(from, text)
  return {
    update_id,
    edited_message: { ...message, edit_date: 1_767_225_601 } as Update['edited_message'] & object,
  }
}

export function types(from: number, query: string): Update {
  const id = nextId()
  return { update_id: id, inline_query: { id: String(id), from: user(from), query, offset: '' } }
}

/** A tap on a button of the same message in each update. */
export function taps(from: number, data: string): Update {
  const id = nextId()
  const { message } = says(from, 'menu', { id: 1 })
  return {
    update_id: id,
    callback_query: {
      id: String(id),
      from: user(from),
      chat_instance: '1',
      data,
      message: message as import('grammy/types').MaybeInaccessibleMessage,
    },
  }
}

/** A user joins the group. */
export function joins(from: number): Update {
  return {
    update_id: nextId(),
    chat_member: {
      chat: GROUP,
      from: user(from),
      date: 1_767_225_600,
      old_chat_member: { status: 'left', user: user(from) },
      new_chat_member: { status: 'member', user: user(from) },
    },
  }
}

export function posts(text: string): Update {
  const id = nextId()
  const chat = { id: -1001000000002, type: 'channel', title: 'News' } as const
  return {
    update_id: id,
    channel_post: {
      message_id: id,
      date: 1_767_225_600,
      chat,
      sender_chat: chat,
      text,
    } as Update['channel_post'] & object,
  }
}

export function pinned(from: number): Update {
  const { update_id, message } = says(from, '', { group: true })
  const { text: _, ...rest } = message as import('grammy/types').Message.TextMessage
  return {
    update_id,
    message: { ...rest, pinned_message: { ...rest, text: 'x' } } as Update['message'] & object,
  }
}

/** A storage whose methods all return promises, as those of remote storages do. */
export function later(storage: Storage = memory()): Storage {
  const { marks, users, values } = storage
  return {
    remote: true,
    async prepare(plan) {
      const judge = await storage.prepare(plan)
      return {
        evaluate: async (ask, at) => judge.evaluate(ask, at),
        peek: async (ask, at) => judge.peek(ask, at),
        settle: async (receipt, how, check) => judge.settle(receipt, how, check),
      }
    },
    marks: {
      get: async (...args) => marks.get(...args),
      put: async (...args) => marks.put(...args),
      remove: async (...args) => marks.remove(...args),
      scan: async (...args) => marks.scan(...args),
      of: async (...args) => marks.of(...args),
    },
    users: {
      get: async (...args) => users.get(...args),
      note: async (...args) => users.note(...args),
      patch: async (...args) => users.patch(...args),
      scan: async (...args) => users.scan(...args),
      erase: async (...args) => users.erase(...args),
    },
    values: {
      get: async (...args) => values.get(...args),
      put: async (...args) => values.put(...args),
      remove: async (...args) => values.remove(...args),
      scan: async (...args) => values.scan(...args),
    },
    sessions: (options) => storage.sessions(options),
    watch: async (listener) => storage.watch(listener),
    reset: async (...args) => storage.reset(...args),
    health: async () => storage.health(),
    close: async () => storage.close(),
  }
}
