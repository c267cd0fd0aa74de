// Packs the package and checks it from the point of view of a user: its files, whether everything that the manifest promises is there,
// whether its types resolve and fit the newest types of Node, and whether it runs. Reads dist: build first.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { problemsOfFiles, problemsOfImports, problemsOfLinks } from './packed-files.mjs'
import { npm, programOf, root } from './run.mjs'

const MESSAGE = {
  message_id: 1,
  date: 1,
  text: 'hello',
  chat: { id: 7, type: 'private', first_name: 'Ada' },
  from: { id: 7, is_bot: false, first_name: 'Ada' },
}
// The schema is data for editors, and its types are never imported.
const ATTW = ['--no-emoji', '--exclude-entrypoints', 'options.schema.json']

const folder = mkdtempSync(join(tmpdir(), 'package-'))
try {
  const told = npm(['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 2 ** 26,
  })
  const [packed] = JSON.parse(told)
  const files = packed.files.map(({ path }) => path)
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const textOf = (file) => readFileSync(join(root, file), 'utf8')
  const problems = [
    ...problemsOfFiles(files, manifest),
    ...problemsOfLinks(files, textOf),
    ...problemsOfImports(files, manifest, textOf),
  ]

  const tarball = join(folder, packed.filename)
  const bytes = readFileSync(tarball)
  const tarballBuffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
  const { messages } = await publint({ pack: { tarball: tarballBuffer }, strict: true })
  for (const message of messages) {
    problems.push(`publint: ${formatMessage(message, manifest, { color: false })}`)
  }

  const attw = spawnSync(
    process.execPath,
    [
      programOf('@arethetypeswrong/cli', 'attw'),
      tarball,
      '--profile',
      'esm-only',
      '--format',
      'ascii',
      ...ATTW,
    ],
    { cwd: folder, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' } },
  )
  if (attw.status !== 0) problems.push(`are the types wrong? They are:\n${attw.stdout}${attw.stderr}`.trim())

  // Users install the newest types of Node. The project is built with those of the oldest Node that it supports.
  const newest = spawnSync(
    process.execPath,
    [programOf('typescript', 'tsc'), '-p', 'tsconfig.newest-node.json'],
    { cwd: root, encoding: 'utf8' },
  )
  if (newest.status !== 0)
    problems.push(`with the newest types of Node:\n${newest.stdout}${newest.stderr}`.trim())

  // The build removes descriptions from compiled options, so what is published differs from what the tests run.
  const loaded = await Promise.allSettled(
    Object.keys(manifest.exports)
      // The matchers of jest are for use within jest.
      .filter((path) => !path.endsWith('.json') && path !== './testing/jest')
      .map((path) => import(`${manifest.name}${path.slice(1)}`)),
  )
  for (const { reason } of loaded)
    if (reason !== undefined) problems.push(`an entry does not load: ${reason.stack}`)
  try {
    const { sentinel } = await import(manifest.name)
    const { verdict } = await sentinel().simulate({ update_id: 1, message: MESSAGE })
    if (!verdict.allowed) problems.push('sentinel() without options refuses a first message')
  } catch (error) {
    problems.push(`sentinel() without options: ${error.stack}`)
  }

  if (problems.length > 0) {
    for (const problem of problems) console.error(`package: ${problem}`)
    process.exitCode = 1
  } else {
    const size = Math.round(packed.size / 1024)
    console.log(`package: ${files.length} files, ${size} KiB packed, nothing to complain of`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
