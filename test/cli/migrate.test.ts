import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { migrate as command } from '../../src/cli/migrate.js'
import { memory } from '../../src/storage/memory/memory.js'
import { CHECKPOINTS } from '../../src/storage/migrate/checkpoint.js'
import { migrate } from '../../src/storage/migrate.js'
import { sqlite } from '../../src/storage/sqlite/index.js'
import { linesOf, stock } from '../storage/migrate/stock.js'

let folder: string
const { getBuiltinModule } = process

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sentinel-migrate-'))
  // A replacement of node:sqlite that opens paths and works on every version of Node.
  process.getBuiltinModule = ((name: string) =>
    name === 'node:sqlite' ? { DatabaseSync: Database } : getBuiltinModule(name)) as never
})
afterEach(() => {
  process.getBuiltinModule = getBuiltinModule
  rmSync(folder, { recursive: true })
})

/** Runs the command from one file to another, and returns its exit code and its output. */
async function run(from: string, to: string, ...more: string[]): Promise<readonly [number, string]> {
  const said: string[] = []
  const terminal = { env: {}, out: (line: string) => said.push(line), err: (line: string) => said.push(line) }
  const urls = ['--from', `sqlite:${join(folder, from)}`, '--to', `sqlite:${join(folder, to)}`]
  const code = await command.run([...urls, ...more], terminal)
  return [code, said.join('\n')]
}

test('a missing source file is reported and not created, and does not count as a migration', async () => {
  const [code, said] = await run('nope.db', 'to.db')
  expect(code).toBe(1)
  expect(said).toMatch(/there is no file ".*nope\.db".*\[migrate\.refused\]/)
  expect(existsSync(join(folder, 'nope.db'))).toBe(false)

  const from = sqlite(join(folder, 'bot.db'))
  await stock(from)
  expect(await run('bot.db', 'to.db')).toEqual([0, expect.stringContaining('Source and target are equal.')])
  const to = sqlite(join(folder, 'to.db'))
  expect(await linesOf(to)).toEqual(await linesOf(from))
  await Promise.all([from.close(), to.close()])
})

test('a file of another application is not changed', async () => {
  const made = new Database(join(folder, 'shop.db'))
  made.exec('CREATE TABLE orders (id INTEGER)')
  made.close()
  expect(await run('shop.db', 'to.db')).toEqual([
    1,
    expect.stringMatching(/shop\.db" holds no data of a sentinel/),
  ])
  const shop = new Database(join(folder, 'shop.db'))
  expect(shop.prepare('SELECT name FROM sqlite_master').all()).toEqual([{ name: 'orders' }])
  shop.close()
  writeFileSync(join(folder, 'photo.jpg'), 'x'.repeat(5000))
  expect(await run('photo.jpg', 'to.db')).toEqual([1, expect.stringContaining('SQLITE_NOTADB')])
  expect(readdirSync(folder)).not.toContain('to.db')
})

test('an empty source is reported, and the right source can be moved afterwards', async () => {
  const empty = sqlite(join(folder, 'empty.db'))
  await empty.values.remove('s', 'k')
  const right = sqlite(join(folder, 'right.db'))
  await stock(right)
  const [code, said] = await run('empty.db', 'to.db')
  expect([code, said]).toEqual([
    1,
    expect.stringMatching(/^Nothing was moved: the source is empty\. .*--from-schema/),
  ])
  const [failed, json] = await run('empty.db', 'to.db', '--json')
  expect([failed, JSON.parse(json)]).toEqual([
    1,
    {
      verified: false,
      copied: 0,
      steps: [],
      empty: true,
      error: expect.stringMatching(/^Nothing was moved/),
    },
  ])
  expect(await run('right.db', 'to.db')).toEqual([0, expect.stringContaining('Source and target are equal.')])
  expect((await run('right.db', 'to.db'))[1]).toMatch(/completed at/)
  await Promise.all([empty.close(), right.close()])
})

test('migrate() from an empty source does not complete the migration either', async () => {
  const [empty, from, to] = [memory(), memory(), memory()]
  await stock(from)
  expect(await migrate(empty, to)).toEqual({ verified: true, copied: 0, steps: [] })
  expect(await to.values.get(CHECKPOINTS, 'default')).toBeUndefined()
  expect(await migrate(from, to)).toMatchObject({ verified: true })
})
