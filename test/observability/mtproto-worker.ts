import { Bot } from 'grammy'
import { type MtprotoClient, mtproto } from '../../src/mtproto/index.js'
import { startTelegram } from '../../src/telegram/index.js'

/** A bot that receives updates by MTProto, some of which are lost. */
export interface MtprotoWorker {
  readonly client: MtprotoClient
  /** Loses a message in a group and one in a private chat, so that both are fetched. The first resolve() is refused and has to wait. */
  work(): Promise<void>
  close(): Promise<void>
}

export async function startMtprotoWorker(): Promise<MtprotoWorker> {
  const telegram = await startTelegram({ patience: '30s' })
  const face = await telegram.mtproto()
  const account = telegram.createBot({ username: 'watcher_bot' })
  const alice = telegram.createUser({ firstName: 'Alice', username: 'alice' })
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
  const client = mtproto({ apiId: 1, apiHash: 'any', botToken: account.token, server: face.address })
  const bot = new Bot(account.token, account.config)
  bot.on('message', () => undefined)
  await client.bridge(bot)
  face.fail('contacts.resolveUsername', 420, 'FLOOD_WAIT_1')
  return {
    client,
    async work() {
      await client.resolve('alice')
      face.deliverBy(() => undefined)
      await alice.in(plaza).sends('missed')
      await alice.to(account).sends('missed')
      face.deliverBy((send) => send())
      await alice.in(plaza).sends('seen')
      await alice.to(account).sends('seen')
    },
    async close() {
      await client.close()
      await telegram.close()
    },
  }
}
