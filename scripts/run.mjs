import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the repository; scripts may be started from any directory. */
export const root = fileURLToPath(new URL('..', import.meta.url))

const require = createRequire(import.meta.url)

/** Returns the path of a dependency's program, so that it can be started without a shell or PATH. */
export function programOf(dependency, name = dependency) {
  const manifest = join(root, 'node_modules', dependency, 'package.json')
  const { bin } = require(manifest)
  return join(dirname(manifest), typeof bin === 'string' ? bin : bin[name])
}

/** Runs npm, by the path that npm passes to its scripts, otherwise by name; returns what it printed unless that is inherited. */
export function npm(args, options) {
  const cli = process.env.npm_execpath
  return cli?.endsWith('.js')
    ? execFileSync(process.execPath, [cli, ...args], options)
    : execFileSync('npm', args, options)
}

/** How long a program may take to end after it has written its results. */
const LAST_WORDS_MS = 60_000

/**
 * Runs a Node program in the foreground and returns its exit code. The program shares the terminal and gets our signals; if a
 * signal kills it, the code is 128 plus the number of the signal, as in a shell. If it has written the file `done` but does not
 * end, it is killed: a message says so, and its results are in the file.
 */
export function node(args, { done, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit', ...options })
    let since
    const watch = setInterval(() => {
      if (done === undefined || !existsSync(done)) return
      since ??= performance.now()
      if (performance.now() - since < LAST_WORDS_MS) return
      clearInterval(watch)
      console.error(
        `ended by us: it was done ${LAST_WORDS_MS / 1000} s ago, and something that it left open kept it running`,
      )
      child.off('exit', exited)
      child.kill('SIGKILL')
      end()
      resolve(0)
    }, 1000)
    // Ctrl-C reaches the whole process group, so it is enough not to end before the child does.
    // Signals sent only to this process are passed on.
    const handlers = ['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => {
      const handler = () => {
        if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
      }
      process.on(signal, handler)
      return [signal, handler]
    })
    const end = () => {
      clearInterval(watch)
      for (const [signal, handler] of handlers) process.off(signal, handler)
    }
    child.once('error', (error) => {
      end()
      reject(error)
    })
    const exited = (code, signal) => {
      end()
      resolve(code ?? 128 + constants.signals[signal])
    }
    child.once('exit', exited)
  })
}
