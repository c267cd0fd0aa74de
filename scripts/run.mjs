import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the repository; scripts may be started from anywhere. */
export const root = fileURLToPath(new URL('..', import.meta.url))

const require = createRequire(import.meta.url)

/** The path of a program that a dependency brings, so that no shell and no PATH is needed to start it. */
export function programOf(dependency, name = dependency) {
  const manifest = join(root, 'node_modules', dependency, 'package.json')
  const { bin } = require(manifest)
  return join(dirname(manifest), typeof bin === 'string' ? bin : bin[name])
}

/** How long a program that has said all may take to end. */
const LAST_WORDS_MS = 60_000

/**
 * Runs a Node program in the foreground and returns its exit code. It shares our terminal and gets our signals;
 * killed by one, it counts as 128 and the signal's number, as in a shell. One that has written the file `done` and does not end
 * is ended: what it left open is told, and what it found stands in the file.
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
    // Ctrl-C reaches the whole group by itself: what is left to us is not to die before the child has.
    // Signals sent to us alone are passed on.
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
