import { Bot } from 'grammy'
import { type MtprotoClient, mtproto } from '../../src/mtproto/index.js'
import { startTelegram, type Telegram } from '../../src/telegram/index.js'
import type { TelegramMtproto } from '../../src/telegram/mtproto/mtproto.js'
import { CuttingProxy } from './cutting-proxy.js'

// A client waits a second before it reconnects, so many run concurrently. The test takes some sixty runs, which is long on a slow machine.
const AT_ONCE = 16

let telegram: Telegram
let face: TelegramMtproto
let closing: (() => Promise<void>)[]

beforeEach(async () => {
  telegram = await startTelegram({ patience: '30s' })
  face = await telegram.mtproto()
  closing = []
})

afterEach(async () => {
  for (const close of closing) await close()
  await telegram.close()
})

/** What a client does after its login, one after the other. */
const STAGES = ['call', 'bridge', 'update'] as const

interface Life {
  readonly proxy: CuttingProxy
  /** The messages that reached the handlers. */
  readonly heard: readonly string[]
  /** The stage that was running when the frame was dropped. */
  readonly stage: string
}

/**
 * Runs a client through key exchange, login, calls, updates and close, with the connection cut in place of one frame: that of a number,
 * or the first of a stage.
 */
async function live(nth: number, victim: number | (typeof STAGES)[number]): Promise<Life> {
  const proxy = await CuttingProxy.listen(face.address.port, typeof victim === 'number' ? victim : 0)
  closing.push(() => proxy.close())
  const account = telegram.createBot({ username: `bot_${nth}_${victim}_bot` })
  const owner = telegram.createUser({ firstName: 'Olga' })
  const plaza = telegram.createGroup({
    title: 'Plaza',
    owner,
    admins: [account],
    username: `plaza_${nth}_${victim}`,
  })
  const client: MtprotoClient = mtproto({
    apiId: 1,
    apiHash: 'any',
    botToken: account.token,
    server: { ...face.address, port: proxy.port },
  })
  closing.push(() => client.close())
  const stages: [string, number][] = []
  const enter = (stage: string): void => {
    stages.push([stage, proxy.seen.length])
    if (stage === victim) proxy.victim = proxy.seen.length + 1
  }

  enter('login')
  expect(await client.connect()).toMatchObject({ id: account.id })
  enter('call')
  expect(await client.resolve(`plaza_${nth}_${victim}`)).toBe(plaza.id)
  const raw = await client.raw()
  for (let n = 0; n < 4; n++) expect(await raw.call({ _: 'help.getNearestDc' })).toMatchObject({ thisDc: 2 })
  const bot = new Bot(account.token, account.config)
  const heard: string[] = []
  let told: () => void = () => undefined
  bot.on('message:text', (ctx) => {
    heard.push(ctx.message.text)
    told()
  })
  enter('bridge')
  await client.bridge(bot)
  enter('update')
  for (const text of ['one', 'two', 'three']) {
    await owner.in(plaza).sends(text)
    while (!heard.includes(text)) {
      await new Promise<void>((done) => {
        told = done
      })
    }
  }
  enter('close')
  await client.close()
  const stage = stages.filter(([, from]) => from < proxy.victim).at(-1)?.[0] ?? ''
  return { proxy, heard, stage }
}

test('the connection can be cut at any frame, in either direction: no update is lost or delivered twice', async () => {
  const whole = await live(0, 0)
  expect(whole.heard).toEqual(['one', 'two', 'three'])
  const frames = whole.proxy.seen.length
  const killed: string[] = []
  // The number of frames in a stage depends on acknowledgements, so a frame number may fall into different stages.
  const left = [...STAGES, ...Array.from({ length: frames }, (_, i) => i + 1)]
  const work = async () => {
    for (let victim = left.shift(); victim !== undefined; victim = left.shift()) {
      const { heard, proxy, stage } = await live(1, victim)
      expect([victim, heard]).toEqual([victim, ['one', 'two', 'three']])
      if (proxy.cut !== undefined) killed.push(`${stage}: ${proxy.cut.from} ${proxy.cut.kind}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  // req_pq_multi, resPQ, req_DH_params, server_DH_params_ok, set_client_DH_params, dh_gen_ok.
  for (const step of [
    'client plain be7e8ef1',
    'server plain 5162463',
    'client plain d712e4be',
    'server plain d0e8075c',
    'client plain f5045f1f',
    'server plain 3bcbf734',
  ]) {
    expect(killed).toContain(`login: ${step}`)
  }
  for (const stage of ['login', ...STAGES]) {
    expect(killed).toContainEqual(expect.stringMatching(`^${stage}: (client|server) encrypted`))
  }
  for (const side of ['client', 'server']) {
    expect(killed).toContainEqual(expect.stringMatching(`: ${side} encrypted`))
  }
}, 600_000)
