// Bun's bundler, for a program in CommonJS, which needs bytecode and cannot contain top-level await: all parts of the package that use
// an optional package from their first line are bundled, and run.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const PROGRAM = `
import { sentinel } from 'grammy-sentinel'
import { logging } from 'grammy-sentinel/logging'
import { metrics } from 'grammy-sentinel/metrics'
import { tracing } from 'grammy-sentinel/tracing'

const guard = sentinel()
tracing(guard)
logging(guard).logger.level = 'silent'
metrics(guard).fetch(new Request('http://bot.test/metrics')).then(async (answer) => {
  const text = await answer.text()
  if (!text.includes('sentinel_')) throw new Error('no metrics: ' + text)
  console.log('measured')
})
`

const failures = []
const folder = mkdtempSync(join(tmpdir(), 'bundling-'))
const builds = [
  ['for Node', { target: 'node' }],
  ['for Bun', { target: 'bun' }],
  ['as bytecode', { target: 'bun', bytecode: true }],
]
try {
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(resolve(import.meta.dirname, '../..'), join(folder, 'node_modules', 'grammy-sentinel'))
  writeFileSync(join(folder, 'bot.js'), PROGRAM)
  for (const [what, options] of builds) {
    const outdir = join(folder, what.replace(' ', '-'))
    try {
      await Bun.build({ entrypoints: [join(folder, 'bot.js')], outdir, format: 'cjs', ...options })
    } catch (error) {
      failures.push(`${what}: ${error.errors?.join('\n') ?? error}`)
      continue
    }
    const { stdout, stderr } = Bun.spawnSync([process.execPath, join(outdir, 'bot.js')])
    if (String(stdout) !== 'measured\n') failures.push(`${what}: the program printed ${stdout}${stderr}`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(JSON.stringify({ checks: builds.length, failures }))
