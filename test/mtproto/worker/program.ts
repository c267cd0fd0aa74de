import { Bot } from 'grammy'
import type { UserFromGetMe } from 'grammy/types'
import { type MtprotoServerAddress, mtproto } from '../../../src/mtproto/index.js'
import { memory } from '../../../src/storage/memory/memory.js'

/** The argument on the command line. */
export interface Told {
  readonly token: string
  readonly me: UserFromGetMe
  readonly server: MtprotoServerAddress
}

/** Messages to the parent: each value that was written, and which updates were begun and handled. */
export type Said =
  | { readonly what: 'ready' }
  | { readonly what: 'wrote'; readonly space: string; readonly key: string; readonly value: unknown }
  | { readonly what: 'began' | 'ended'; readonly text: string }

const { token, me, server } = JSON.parse(process.argv[2] as string) as Told
const say = (said: Said): void => {
  process.send?.(said)
}

// The parent keeps every written value, so that it survives this process.
const storage = memory()
const { values } = storage
const disk = {
  ...storage,
  values: {
    get: values.get.bind(values),
    remove: values.remove.bind(values),
    scan: values.scan.bind(values),
    async put(space: string, key: string, value: unknown) {
      await values.put(space, key, value)
      say({ what: 'wrote', space, key, value })
    },
  },
} as typeof storage
Object.setPrototypeOf(disk, Object.getPrototypeOf(storage))

const bot = new Bot(token, { botInfo: me })
bot.on(['message:text', 'edited_message:text'], async ({ msg: { text } }) => {
  say({ what: 'began', text })
  if (text.startsWith('hang')) await new Promise(() => undefined)
  say({ what: 'ended', text })
})
const client = mtproto({ apiId: 1, apiHash: 'any', botToken: token, server, storage: disk })
await client.bridge(bot)
say({ what: 'ready' })
