import { configure, execute, setLogMessageCallback } from 'tdl'
import { libraryThatTrusts } from './library.mjs'

/** TDLib logs as an error what should never come from a server, and as a warning what is merely odd. */
const [ERRORS, EVERYTHING] = [1, 4]

/** Loads TDLib, one for the process, and keeps what it complains of. */
export class TdLog {
  complaints = []

  constructor({ publicKey, folder, path }) {
    configure({ tdjson: libraryThatTrusts(publicKey, folder), verbosityLevel: 'default' })
    execute({
      _: 'setLogStream',
      log_stream:
        path === undefined
          ? { _: 'logStreamEmpty' }
          : { _: 'logStreamFile', path, max_file_size: 2 ** 28, redirect_stderr: false },
    })
    execute({ _: 'setLogVerbosityLevel', new_verbosity_level: path === undefined ? ERRORS : EVERYTHING })
    setLogMessageCallback(ERRORS, (_, message) => this.complaints.push(message.trim()))
  }

  /** @throws with all of it, if there is anything */
  assertQuiet() {
    if (this.complaints.length > 0) throw new Error(this.complaints.join('\n'))
  }
}
