#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { type Command, type Terminal, UsageError } from './command.js'
import { config } from './config.js'
import { migrate } from './migrate.js'
import { sql } from './sql.js'
import { telegram } from './telegram.js'

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ['config', config],
  ['migrate', migrate],
  ['sql', sql],
  ['telegram', telegram],
])

function help(): string {
  const width = Math.max(...[...COMMANDS.keys()].map((name) => name.length))
  const list = [...COMMANDS].map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
  return [
    'Usage: grammy-sentinel COMMAND',
    '',
    'Commands:',
    ...list,
    '',
    'Options:',
    '  --help     Shows this, or how a command is used',
    '  --version  Shows the version',
  ].join('\n')
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return String((manifest as { readonly version?: unknown }).version)
}

async function main([name, ...args]: readonly string[], terminal: Terminal): Promise<number> {
  if (name === '--version' || name === '-v') {
    terminal.out(version())
    return 0
  }
  if (name === '--help' || name === '-h') {
    terminal.out(help())
    return 0
  }
  const command = COMMANDS.get(name ?? '')
  if (command === undefined) {
    terminal.err(name === undefined ? 'Which command?' : `There is no command "${name}".`)
    terminal.err(`\n${help()}`)
    return 2
  }
  if (args.includes('--help') || args.includes('-h')) {
    terminal.out(command.usage)
    return 0
  }
  try {
    return await command.run(args, terminal)
  } catch (error) {
    if (!isUsageError(error)) throw error
    terminal.err(`${error.message}\n\n${command.usage}`)
    return 2
  }
}

/** Whether an error is a UsageError or one of `parseArgs`. */
function isUsageError(error: unknown): error is Error {
  if (error instanceof UsageError) return true
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
}

// A reader such as `head` may close the pipe early.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

// Sets the exit code instead of ending the process, because writes to a pipe may still be pending.
process.exitCode = await main(process.argv.slice(2), {
  env: process.env,
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
  ...(process.stderr.isTTY && {
    live: {
      columns: process.stderr.columns,
      write: (text: string) => process.stderr.write(`\r\x1b[2K${text}`),
    },
  }),
  interrupted(listener) {
    process.once('SIGINT', listener)
    return () => process.off('SIGINT', listener)
  },
})
