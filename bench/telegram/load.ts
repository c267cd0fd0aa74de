import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Person, startTelegram, type TelegramGroup } from 'grammy-sentinel/testing'

interface Load {
  readonly seconds: number
  readonly rate: number
  readonly users: number
  readonly groups: number
  /** Path of the bot's program. */
  readonly program: string
}

interface Outcome {
  readonly handledPerSecond: number
  /** Updates that the bot had not handled some time after the last one was sent. */
  readonly behind: number
  /** Relative growth of the heap over the second half of the run. */
  readonly growth: number
}

/** One message in ten is sent to the bot in private, which answers it; the others are sent in groups. */
const PRIVATE_EVERY = 10
/** Time between two batches of updates, in milliseconds. */
const TICK = 5

/**
 * Sends messages at a steady rate while a grammY bot in another process polls over HTTP and answers. The embedded Telegram has
 * one core, the bot the other.
 */
export async function underLoad({ seconds, rate, users, groups, program }: Load): Promise<Outcome> {
  const telegram = await startTelegram({ patience: '60s' })
  const account = telegram.createBot({ username: 'load_bot' })
  const people = Array.from({ length: users }, (_, n) => telegram.createUser({ firstName: `User ${n}` }))
  const places = Array.from({ length: groups }, (_, n) => {
    const members = people.filter((__, m) => m % groups === n)
    return telegram.createGroup({
      title: `Group ${n}`,
      owner: members[0] as Person,
      members,
      admins: [account],
    })
  })
  console.log(`\n${users} people, ${groups} groups, ${rate} updates a second for ${seconds} s:`)

  const bot = fork(program, [account.token, telegram.apiRoot])
  await once(bot, 'message')
  const delays = monitorEventLoopDelay({ resolution: 1 })
  delays.enable()
  const heap: number[] = []
  const start = performance.now()
  let sent = 0
  for (let step = 1; step <= 6; step++) {
    sent = await write(people, places, start, sent, (seconds * step) / 6, rate)
    heap.push(memory())
    const handled = await handledBy(bot)
    const { rss } = process.memoryUsage()
    const at = ((performance.now() - start) / 1000).toFixed(0).padStart(3)
    console.log(
      `${at} s  sent ${sent}, handled ${handled}, heap ${mega(heap.at(-1) ?? 0)} MB, resident ${mega(rss)} MB`,
    )
  }
  const took = (performance.now() - start) / 1000
  await telegram.settled()
  const handled = await handledBy(bot)
  delays.disable()
  const { user, system } = process.cpuUsage()
  console.log(
    `loop held up ${(delays.percentile(99) / 1e6).toFixed(1)} ms (99 of 100), processor ${((user + system) / 1e6).toFixed(1)} s, calls kept ${telegram.calls().length}`,
  )
  bot.disconnect()
  await once(bot, 'exit')
  await telegram.close()
  // By half of the run all bounded tables are full: 100,000 messages take 20 seconds.
  const [before = 0, after = 0] = [heap[2], heap[5]]
  return { handledPerSecond: handled / took, behind: sent - handled, growth: after / before - 1 }

  async function write(
    who: readonly Person[],
    where: readonly TelegramGroup[],
    since: number,
    already: number,
    untilSecond: number,
    perSecond: number,
  ): Promise<number> {
    let nth = already
    for (;;) {
      const elapsed = Math.min((performance.now() - since) / 1000, untilSecond)
      for (const due = Math.floor(elapsed * perSecond); nth < due; nth++) {
        // A prime step, so that consecutive messages come from different groups.
        const place = (nth * 7919) % who.length
        const person = who[place] as Person
        if (nth % PRIVATE_EVERY === 0) await person.to(account).sends(`message ${nth}`)
        else await person.in(where[place % where.length] as TelegramGroup).sends(`message ${nth}`)
      }
      if (elapsed >= untilSecond) return nth
      await sleep(TICK)
    }
  }
}

async function handledBy(bot: ChildProcess): Promise<number> {
  const answered = once(bot, 'message')
  bot.send('how many?')
  const [handled] = (await answered) as [number]
  return handled
}

/** Heap in use after a garbage collection. */
function memory(): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

function mega(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(0)
}
