import { request } from 'node:http'
import { startTelegram, type Telegram } from '../../src/telegram/index.js'

const open: Telegram[] = []
afterEach(async () => {
  for (const telegram of open.splice(0)) await telegram.close()
})

/** Returns the status of a request with this Host header. */
function status(telegram: Telegram, host: string): Promise<number | undefined> {
  return new Promise((done, fail) => {
    const asked = request(`${telegram.apiRoot}/openapi.json`, { headers: { host } }, (response) => {
      response.resume()
      done(response.statusCode)
    })
    asked.on('error', fail)
    asked.end()
  })
}

test('on loopback, configured host names and names of this machine are accepted, and no others', async () => {
  const telegram = await startTelegram({ hostNames: ['Telegram'] })
  open.push(telegram)
  for (const host of ['telegram', 'TELEGRAM:8081', 'localhost', '127.0.0.1:1', '[::1]:1'])
    expect([host, await status(telegram, host)]).toEqual([host, 200])
  // Other machines cannot reach a loopback server, so a network address is a mistake or an attack.
  for (const host of ['telegram.example', '10.1.2.3'])
    expect([host, await status(telegram, host)]).toEqual([host, 421])
})

test('on all interfaces, any address is accepted, but only configured names', async () => {
  const telegram = await startTelegram({ host: '0.0.0.0', hostNames: ['box'] })
  open.push(telegram)
  expect(new URL(telegram.apiRoot).hostname).toBe('127.0.0.1')
  for (const host of ['10.1.2.3:8081', '[fe80::1]:80', 'box'])
    expect([host, await status(telegram, host)]).toEqual([host, 200])
  expect(await status(telegram, 'evil.example')).toBe(421)
})
