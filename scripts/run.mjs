import { spawn } from 'node:child_process'
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

/**
 * Runs a Node program in the foreground and returns its exit code. It shares our terminal and gets our signals;
 * killed by one, it counts as 128 and the signal's number, as in a shell.
 */
export function node(args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit', ...options })
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
      for (const [signal, handler] of handlers) process.off(signal, handler)
    }
    child.once('error', (error) => {
      end()
      reject(error)
    })
    child.once('exit', (code, signal) => {
      end()
      resolve(code ?? 128 + constants.signals[signal])
    })
  })
}
