import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { fromEnv, type Key, SentinelError, type SentinelOptions } from 'grammy-sentinel'
import { castOf } from './cast.js'
import { live } from './live.js'
import { playRecording } from './recorded.js'
import { linesOf, SENTENCES } from './sentences.js'
import { openStage } from './stage.js'
import { counts, treatmentOf, treatments } from './summary.js'
import { type Row, show } from './table.js'
import { errorInWords } from './words.js'

const USAGE = `npm run demo -- [options]

A guarded bot, a Telegram of its own, and a cast that talks, floods, taps twice and raids. Ends by itself, with exit
code 0 only if everybody was treated as their role demands.

  --lines FILE    sentences for the cast to say, one a line
  --updates FILE  instead of the cast, updates of the Bot API as JSON, one a line
  --help          this

With BOT_TOKEN in the environment, and neither FILE, the same bot runs on the real Telegram until Ctrl-C (on another
one with TELEGRAM_API_ROOT). Options of the guard are taken from variables such as SENTINEL__THROTTLE=5/10s.
`

/** The demo ends after this time in any case. */
const DEADLINE_MS = 25_000

/** An error that the user can correct. */
class UsageError extends Error {}

async function main(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const given = flags(args)
  if (given.help === true) {
    process.stdout.write(USAGE)
    return 0
  }
  const options = fromEnv(env)
  if (given.updates !== undefined) {
    return playRecording(await textOf('--updates', given.updates), options, process.stdout)
  }
  const sentences = given.lines === undefined ? SENTENCES : linesOf(await textOf('--lines', given.lines))
  if (sentences.length === 0) throw new UsageError(`--lines ${given.lines}: there is no sentence in it`)
  const token = env.BOT_TOKEN ?? ''
  if (token !== '' && given.lines === undefined) {
    // Does not show the value: it may be a real token with a typing error.
    if (!/^\d+:[\w-]{30,}$/.test(token)) {
      throw new UsageError(
        'BOT_TOKEN: this is not a token of a bot. @BotFather gives one, such as 123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11',
      )
    }
    return live(token, env.TELEGRAM_API_ROOT, options, process.stdout)
  }
  return playCast(sentences, options)
}

function flags(args: readonly string[]): { help?: boolean; lines?: string; updates?: string } {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { help: { type: 'boolean' }, lines: { type: 'string' }, updates: { type: 'string' } },
    })
    if (values.lines !== undefined && values.updates !== undefined) {
      throw new UsageError('--lines is for the cast, which --updates takes the place of: give one of the two')
    }
    return values
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${USAGE}`)
  }
}

async function textOf(flag: string, path: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new UsageError(
      `${flag} ${path}: ${code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'is not UTF-8' : message}`,
    )
  }
}

/** Lets all actors play at once and checks how they were treated. */
async function playCast(sentences: readonly string[], options: SentinelOptions): Promise<number> {
  const begun = performance.now()
  // unref() lets the process end earlier; the timer ends it if something else keeps it alive.
  setTimeout(() => {
    process.stderr.write(`the demo did not end within ${DEADLINE_MS / 1000} s\n`)
    process.exit(1)
  }, DEADLINE_MS).unref()

  const stage = await openStage(options)
  const { telegram, account, guard, ledger } = stage
  try {
    let said = 0
    const says = (): string => sentences[said++ % sentences.length] as string
    const cast = castOf({ telegram, account, guard, ledger, says })
    const names = new Map<Key, string>()
    const parts = cast.map((actor) => {
      for (const [key, name] of actor.keys) names.set(key, name)
      const row: Row = { name: actor.name, role: actor.role, account: ledger.follow(actor.keys.keys()) }
      return { actor, row }
    })
    const rows = parts.map(({ row }) => row)
    const endShow = show(ledger, process.stdout, { names, texts: true, token: account.token }, rows)
    const troubles = await Promise.all(
      parts.map(async ({ actor }) => {
        try {
          await actor.plays()
        } catch (error) {
          return errorInWords(error, account.token)
        }
      }),
    )
    await stage.settles()
    endShow()
    const all = parts.map(({ actor, row }, index) => treatmentOf(actor, row.account, troubles[index]))
    const seconds = ((performance.now() - begun) / 1000).toFixed(1)
    process.stdout.write(`\n${[...counts(ledger), `took ${seconds} s`, '', ...treatments(all)].join('\n')}\n`)
    return all.every(({ ok }) => ok) ? 0 : 1
  } finally {
    await stage.close()
  }
}

try {
  process.exitCode = await main(process.argv.slice(2), process.env)
} catch (error) {
  // Errors of the library say which option is wrong and how to fix it, so a stack would not help.
  const mendable = error instanceof UsageError || error instanceof SentinelError
  process.stderr.write(
    `${mendable ? (error as Error).message : errorInWords(error, process.env.BOT_TOKEN ?? '')}\n`,
  )
  process.exitCode = mendable ? 2 : 1
}
