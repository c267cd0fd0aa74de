// npm run site: builds the documentation site in site/.cache/out, with a reference made from docstrings. "--check" also tests it in a
// real Chromium: every page, every link, the search. Screenshots are written to site/.cache/shots.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { installed } from './installed.mjs'
import { writeReference } from './reference.mjs'
import { node, root } from './run.mjs'

const folder = join(root, 'site')
const work = join(folder, '.cache')
const source = join(work, 'src')
const out = join(work, 'out')

if (!existsSync(join(root, 'dist', 'index.d.ts'))) {
  const code = await node([join(root, 'scripts', 'build.mjs')])
  if (code !== 0) process.exit(code)
}
await installed('site')
rmSync(source, { recursive: true, force: true })
rmSync(out, { recursive: true, force: true })
mkdirSync(source, { recursive: true })
cpSync(join(root, 'docs'), source, { recursive: true })
const reference = writeReference(join(source, 'reference'))

const titles = {}
for (const name of readdirSync(source).filter((file) => file.endsWith('.md'))) {
  titles[basename(name, '.md')] = /^# (.*)$/m.exec(readFileSync(join(source, name), 'utf8'))?.[1]
}
const decisions = readdirSync(join(source, 'adr')).filter((file) => /^\d+.*\.md$/.test(file))
writeFileSync(
  join(source, 'adr', 'index.md'),
  `# Decisions\n\nWhy it is as it is, a page each.\n\n${decisions
    .map((file) => `- [${/^# (.*)$/m.exec(readFileSync(join(source, 'adr', file), 'utf8'))?.[1]}](${file})`)
    .join('\n')}\n`,
)
// Links to files outside of the pages lead to the files in the repository.
for (const file of readdirSync(source, { recursive: true }).filter((name) => name.endsWith('.md'))) {
  const path = join(source, file)
  const text = readFileSync(path, 'utf8')
  writeFileSync(
    path,
    text.replaceAll(
      /\]\((?:\.\.\/)+((?:examples|src|bench|observability)\/[^)]*|[A-Z]+\.md)\)/g,
      '](/repository.md)',
    ),
  )
}
writeFileSync(
  join(source, 'repository.md'),
  '# In the repository\n\nThis link leads to a file of the repository, beside the folder `docs`: the examples, the code, the changelog.\n',
)
// JSON is valid YAML.
writeFileSync(join(source, 'index.md'), `---\n${readFileSync(join(folder, 'home.json'), 'utf8')}---\n`)
mkdirSync(join(source, '.vitepress'), { recursive: true })
cpSync(join(folder, 'config.mjs'), join(source, '.vitepress', 'config.mjs'))

const vitepress = join(folder, 'node_modules', 'vitepress', 'bin', 'vitepress.js')
const code = await node([vitepress, 'build', source, '--outDir', out], {
  env: { ...process.env, PAGE_TITLES: JSON.stringify(titles), REFERENCE_PAGES: JSON.stringify(reference) },
})
if (code !== 0) process.exit(code)
if (process.argv.includes('--check'))
  process.exit(await node([join(folder, 'check.mjs'), out, join(work, 'shots')]))
console.log(`built: ${out}`)
