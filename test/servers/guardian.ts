import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'

/**
 * A process beside a server, in a session of its own, so that no Ctrl-C reaches it. It reads commands from a pipe: each line is
 * the signal and the process to end ("" for none). When the pipe closes, because we asked for it or because we died, it ends that
 * process with all its children and removes the folder. Servers are only stopped in this way, so that an interrupted run is
 * cleaned up like any other.
 *
 * Argument: the folder to remove, or "".
 */
const SCRIPT = `
trap '' INT TERM HUP
children() {
  if [ -d /proc/self ]; then
    grep -l "^PPid:[[:space:]]*$1\\$" /proc/[0-9]*/status 2>/dev/null | cut -d/ -f3
  else
    ps -A -o pid=,ppid= | awk -v parent="$1" '$2 == parent { print $1 }'
  fi
}
family() {
  echo "$1"
  for child in $(children "$1"); do (family "$child"); done
}
alive() {
  kill -0 "$1" 2>/dev/null && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}
any_alive() {
  for each in $all; do alive "$each" && return 0; done
  return 1
}
wait_for_all() {
  tries=0
  while any_alive && [ "$tries" -lt 200 ]; do sleep 0.02; tries=$((tries + 1)); done
}
pid=
while read -r first second; do signal=$first pid=$second; done
if [ -n "$pid" ]; then
  all=$(family "$pid")
  kill -CONT $all 2>/dev/null
  kill -"$signal" "$pid" 2>/dev/null
  wait_for_all
  if any_alive; then
    all="$all $(family "$pid")"
    kill -KILL $all 2>/dev/null
    wait_for_all
  fi
fi
if [ -n "$1" ]; then
  # A Postgres that was killed had no time to give back its System V segment, which its lock file names.
  lock=$1/data/postmaster.pid
  if [ -f "$lock" ]; then
    set -- "$1" $(sed -n 7p "$lock")
    [ -n "$3" ] && ipcrm -m "$3" 2>/dev/null
  fi
  # Once more if somebody who is just dying still wrote into it.
  tries=0
  while ! rm -rf -- "$1" 2>/dev/null && [ "$tries" -lt 50 ]; do sleep 0.05; tries=$((tries + 1)); done
fi
`

/** The signal that ends a server fastest without leaving anything behind. Its children are waited for, then killed. */
export type Ending = 'KILL' | 'QUIT'

export interface Guardian {
  /** From now on, end this process by this signal. */
  watch(pid: number, signal: Ending): void
  /** The process ended by itself: its id may soon belong to another process. */
  forget(): void
  /** Ends the process, removes the folder, and waits until both are done. */
  end(): Promise<void>
}

/** `folder` is removed at the end, if it is given. */
export function guard(folder: string | undefined): Guardian {
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'guardian', folder ?? ''], {
    detached: true,
    cwd: '/',
    // Without rm the folders would silently stay behind.
    env: { PATH: `${process.env.PATH ?? ''}:/usr/bin:/bin:/usr/sbin:/sbin` },
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const gone = ended(child)
  const pipe = child.stdin as unknown as Socket
  // A process that forgets to stop a server must still be able to exit; the guardian then cleans up.
  pipe.unref()
  const write = (line: string): void => {
    if (!pipe.writableEnded) pipe.write(`${line}\n`)
  }
  return {
    watch: (pid, signal) => write(`${signal} ${pid}`),
    forget: () => write(''),
    end: async () => {
      pipe.end()
      await gone()
    },
  }
}

/** A promise for the end of a child, which keeps our process alive only while it is awaited. */
export function ended(child: ChildProcess): () => Promise<void> {
  const gone =
    child.exitCode === null && child.signalCode === null ? once(child, 'exit') : Promise.resolve([])
  // Passed to the awaiting code; until then it must not be an unhandled rejection.
  gone.catch(() => undefined)
  child.unref()
  return async () => {
    child.ref()
    try {
      await gone
    } finally {
      child.unref()
    }
  }
}
