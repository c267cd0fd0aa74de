import { z } from 'zod'
import { memory, sentinel } from '../src/index.js'

/* A mistyped option must not be ignored: with `tll` for `ttl`, sessions would never expire. */

const { storage, users } = sentinel()
const schema = z.object({ quiet: z.boolean().default(false) })

const cases: [what: string, run: (options: never) => unknown, mistyped: object, words: string][] = [
  [
    'memory()',
    (options) => memory(options),
    { maxSubject: 5 },
    'memory.maxSubject: there is no such option. Options: maxSubjects, clock.',
  ],
  [
    'storage.sessions()',
    (options) => storage.sessions(options),
    { tll: '1d' },
    'sessions.tll: there is no such option. Options: name, ttl.',
  ],
  [
    'users.sessions()',
    (options) => users.sessions(options),
    { owns: () => true },
    'sessions.owns: there is no such option. Options: name, ttl.',
  ],
  [
    'users.preferences()',
    (options) => users.preferences(schema, options),
    { nmae: 'wishes' },
    'preferences.nmae: there is no such option. Options: name, version, migrate.',
  ],
  [
    'users.erase()',
    (options) => users.erase(7, options),
    { keepBlok: true },
    'erase.keepBlok: there is no such option. Options: keepBlock, chats.',
  ],
]

test.each(cases)('%s refuses an unknown option', async (_, run, mistyped, message) => {
  await expect((async () => run(mistyped as never))()).rejects.toEqual(
    expect.objectContaining({ code: 'option.unknown', message }),
  )
})
