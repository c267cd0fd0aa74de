import { getEventListeners } from 'node:events'
import { type MtprotoClient, mtproto, type QrLogin } from '../../src/mtproto/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import { until } from '../servers/until.js'
import { alice, face, guest, kept, onStage, telegram } from './stage.js'

const PHONE = '+491701234567'

/** How many milliseconds Telegram's clock is behind. */
let behind: number

beforeEach(() => {
  behind = 0
})
onStage({ others: [4], telegram: { clock: () => Date.now() - behind } })

/** Collects the URLs of QR codes, and waits for them. */
function screen() {
  const urls: string[] = []
  const shown = (nth = 1) => until(`code ${nth} is shown`, () => urls.length >= nth)
  const onUrl: QrLogin['onUrl'] = (url, expiresAt) => {
    // Expiry is given in whole seconds.
    expect(expiresAt).toBeGreaterThan(telegram.clock.now() + 29_000 - 1000)
    urls.push(url)
  }
  return { urls, shown, onUrl }
}

test('before a login, a call is refused with the advice to log in', async () => {
  await expect(guest().resolve('alice')).rejects.toMatchObject({
    reason: 'AUTH_KEY_UNREGISTERED',
    message: expect.stringMatching(
      /AUTH_KEY_UNREGISTERED\. Nobody is logged in .* pass a botToken, or call logIn\(\)/,
    ),
  })
})

describe('login by QR code', () => {
  test('succeeds when the code is scanned in another session, and is stored', async () => {
    face.givePhone(alice, PHONE)
    const phone = guest()
    await phone.logIn({ phone: PHONE, code: () => face.codeFor(PHONE) })
    const { urls, shown, onUrl } = screen()
    const storage = memory()
    const tablet = guest({ storage })
    const done = tablet.logInByQr({ onUrl })
    await shown()
    const token = Buffer.from((urls[0] as string).split('token=')[1] as string, 'base64url')
    await (await phone.raw()).call({ _: 'auth.acceptLoginToken', token })
    expect(await done).toMatchObject({ id: alice.id, firstName: 'Alice' })
    expect(urls).toHaveLength(1)
    expect(face.calls('auth.exportLoginToken')).toBe(2)
    await tablet.close()
    expect(await guest({ storage }).connect()).toMatchObject({ id: alice.id })
  })

  test('leaves no listeners on its signal', async () => {
    face.givePhone(alice, PHONE)
    const phone = guest()
    await phone.logIn({ phone: PHONE, code: () => face.codeFor(PHONE) })
    const { urls, shown, onUrl } = screen()
    const { signal } = new AbortController()
    const done = guest().logInByQr({ onUrl, signal })
    await shown()
    const token = Buffer.from((urls[0] as string).split('token=')[1] as string, 'base64url')
    await (await phone.raw()).call({ _: 'auth.acceptLoginToken', token })
    await done
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  test('asks for the second password if the account has one', async () => {
    face.givePhone(alice, PHONE, 'correct horse')
    const { urls, shown, onUrl } = screen()
    const done = guest().logInByQr({ onUrl, password: () => 'correct horse' })
    await shown()
    face.scan(alice, urls[0] as string)
    expect(await done).toMatchObject({ id: alice.id })
  })

  test('rejects if the second password is missing or wrong', async () => {
    face.givePhone(alice, PHONE, 'correct horse')
    for (const [password, reason] of [
      [undefined, 'SESSION_PASSWORD_NEEDED'],
      [() => 'wrong', 'PASSWORD_HASH_INVALID'],
    ] as const) {
      const { urls, shown, onUrl } = screen()
      const done = guest().logInByQr({ onUrl, ...(password !== undefined && { password }) })
      await shown()
      face.scan(alice, urls[0] as string)
      await expect(done).rejects.toMatchObject({ code: 'mtproto.refused', reason })
    }
  })

  test('continues at the data centre of the account', async () => {
    face.move(alice, 4)
    const { urls, shown, onUrl } = screen()
    const person = guest()
    const done = person.logInByQr({ onUrl })
    await shown()
    face.scan(alice, urls[0] as string)
    expect(await done).toMatchObject({ id: alice.id })
    expect(await (await person.raw()).call({ _: 'help.getNearestDc' })).toMatchObject({ thisDc: 4 })
  })

  test('shows a new code when one has expired, and expired codes are refused', async () => {
    // By the client's clock, a code is valid for a second or two.
    behind = 28_500
    const { urls, shown, onUrl } = screen()
    const done = guest().logInByQr({ onUrl })
    await shown(2)
    expect(new Set(urls).size).toBe(urls.length)
    behind = -3000
    const [first] = urls
    expect(() => face.scan(alice, first as string)).toThrow(/AUTH_TOKEN_EXPIRED/)
    // Waits for a code that is valid by the changed clock.
    await until('a code is taken', () => {
      try {
        face.scan(alice, urls.at(-1) as string)
        return true
      } catch {
        return false
      }
    })
    expect(await done).toMatchObject({ id: alice.id })
  })

  test('accepts each code once, and refuses invalid codes', async () => {
    const { urls, shown, onUrl } = screen()
    const done = guest().logInByQr({ onUrl })
    await shown()
    face.scan(alice, urls[0] as string)
    expect(() => face.scan(alice, urls[0] as string)).toThrow(/AUTH_TOKEN_(ALREADY_ACCEPTED|INVALID)/)
    await done
    expect(() => face.scan(alice, urls[0] as string)).toThrow(/AUTH_TOKEN_INVALID/)
    expect(() => face.scan(alice, 'https://example.com')).toThrow(/AUTH_TOKEN_INVALID/)
  })

  test('ends by its signal, and can be started again', async () => {
    const stop = new AbortController()
    const { urls, shown, onUrl } = screen()
    const person = guest()
    const done = person.logInByQr({ onUrl, signal: stop.signal })
    await shown()
    stop.abort(new Error('enough'))
    await expect(done).rejects.toThrow('enough')
    await expect(person.logInByQr({ onUrl, signal: stop.signal })).rejects.toThrow('enough')
    const again = person.logInByQr({ onUrl })
    await shown(2)
    face.scan(alice, urls.at(-1) as string)
    expect(await again).toMatchObject({ id: alice.id })
  })

  test('notices a scan during an interruption of the connection', async () => {
    const { urls, shown, onUrl } = screen()
    const done = guest().logInByQr({ onUrl })
    await shown()
    face.cut()
    face.scan(alice, urls[0] as string)
    expect(await done).toMatchObject({ id: alice.id })
  })
})

describe('an exported session', () => {
  async function loggedIn(): Promise<MtprotoClient> {
    face.givePhone(alice, PHONE)
    const person = guest()
    await person.logIn({ phone: PHONE, code: () => face.codeFor(PHONE) })
    return person
  }

  test.each(['mtcute', 'telethon', 'pyrogram'] as const)(
    'as a string for %s can be used elsewhere',
    async (format) => {
      const first = await loggedIn()
      const session = await first.exportSession(format)
      await first.close()
      const second = guest({ storage: memory() })
      expect(await second.importSession(session)).toMatchObject({ id: alice.id })
      expect(await second.exportSession(format)).toBe(session)
      await second.close()
      expect(await guest({ session }).connect()).toMatchObject({ id: alice.id })
      expect(face.calls('auth.signIn')).toBe(1)
    },
  )

  test('replaces the stored session, but not while the client is connected', async () => {
    const bob = telegram.createUser({ firstName: 'Bob' })
    face.givePhone(bob, '+15550001')
    const storage = memory()
    const other = guest({ storage })
    await other.logIn({ phone: '+15550001', code: () => face.codeFor('+15550001') })
    const session = await (await loggedIn()).exportSession('telethon')
    await expect(other.importSession(session)).rejects.toMatchObject({ code: 'mtproto.session' })
    await other.close()
    expect(await guest({ storage }).importSession(session)).toMatchObject({ id: alice.id })
  })

  test.each(['mtcute', 'telethon', 'pyrogram'] as const)(
    'for %s needs a log-in: without one, and after one that was refused, the error says so',
    async (format) => {
      const nobody = { code: 'mtproto.session', message: expect.stringContaining('nobody has logged in') }
      const newcomer = guest()
      await expect(newcomer.exportSession(format)).rejects.toMatchObject(nobody)
      face.givePhone(alice, PHONE)
      await expect(newcomer.logIn({ phone: PHONE, code: () => '00000' })).rejects.toMatchObject({
        reason: 'PHONE_CODE_INVALID',
      })
      await expect(newcomer.exportSession(format)).rejects.toMatchObject(nobody)
    },
  )

  test('that Telegram cannot confirm at the moment is refused with its reason', async () => {
    face.fail('users.getUsers', 400, 'SOMETHING_ELSE')
    await expect(guest().exportSession()).rejects.toMatchObject({
      code: 'mtproto.refused',
      reason: 'SOMETHING_ELSE',
    })
  })

  test('that is malformed is refused when the client is created, without repeating it', async () => {
    const session = 'AgAyyvcBTk6KssqikKPxEhxfXJpkoFIgQ'
    expect(() => guest({ session })).toThrow(expect.objectContaining({ code: 'mtproto.session' }))
    expect(() => guest({ session })).not.toThrow(session)
    await expect(guest().importSession('words words')).rejects.toMatchObject({ code: 'mtproto.session' })
  })

  test('of the test servers is refused for the production servers', async () => {
    const first = await loggedIn()
    const bytes = Buffer.from(await first.exportSession('pyrogram'), 'base64url')
    bytes[5] = 1
    const real = kept(mtproto({ apiId: 1, apiHash: 'any' }))
    await expect(real.importSession(bytes.toString('base64url'))).rejects.toThrow(/test servers/)
  })
})
