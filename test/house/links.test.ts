import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

/* Links between the pages. `npm run site -- --check` follows them in a browser; this needs none, and so is part of every run. */

const PAGES = [
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'examples/README.md'],
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' }).map((name) => join('docs', name)),
].filter((name) => name.endsWith('.md') && existsSync(name))

/** Links and headings inside code do not count. */
function prose(text: string): string {
  return text.replace(/^(`{3,})[\s\S]*?^\1$/gm, '')
}

/** The names of a page's headings, as GitHub and the site make them. */
function anchorsOf(text: string): ReadonlySet<string> {
  const found = new Set<string>()
  for (const [, heading = ''] of prose(text).matchAll(/^#{1,6} +(.*)$/gm)) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, '')
    const slug = plain
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-')
    let name = slug
    for (let again = 1; found.has(name); again++) name = `${slug}-${again}`
    found.add(name)
  }
  return found
}

/** Headings that occur twice in a page: a link to them, or a search, finds only one of the two. */
function headingsTwice(page: string, text: string): string[] {
  const seen = new Set<string>()
  const path: string[] = []
  const twice: string[] = []
  for (const [, level = '', heading = ''] of prose(text).matchAll(/^(#{1,6}) +(.*)$/gm)) {
    path.splice(level.length - 1, Number.POSITIVE_INFINITY, heading)
    // "Options" below two different headings are two things.
    const full = path.join(' > ')
    if (seen.has(full)) twice.push(`${page}: "${heading}" is there twice`)
    seen.add(full)
  }
  return twice
}

/** Links of a page that lead nowhere. */
function astray(page: string, text: string): string[] {
  const wrong: string[] = []
  const links = prose(text)
    .replace(/`[^`\n]*`/g, '')
    .matchAll(/\]\(([^)\s]+)\)/g)
  for (const [, link = ''] of links) {
    if (/^[a-z]+:/.test(link)) continue
    const [path = '', anchor] = link.split('#')
    const target = path === '' ? page : normalize(join(dirname(page), path))
    if (!existsSync(target)) wrong.push(`${page}: ${link} leads nowhere`)
    else if (anchor !== undefined && statSync(target).isFile() && target.endsWith('.md')) {
      const known = anchorsOf(target === page ? text : readFileSync(target, 'utf8'))
      if (!known.has(anchor)) wrong.push(`${page}: ${link} is not a heading there`)
    }
  }
  return wrong
}

test('every link between pages has a target', () => {
  expect(PAGES.length).toBeGreaterThan(50)
  expect(PAGES.flatMap((page) => astray(page, readFileSync(page, 'utf8')))).toEqual([])
})

test('the README and the sidebar of the site list every page, in the same groups', () => {
  const pages = readdirSync('docs').filter((name) => name.endsWith('.md'))
  const more = readFileSync('README.md', 'utf8').split('## More\n')[1] ?? ''
  const [, sidebar = ''] = /const SIDEBAR = (\[.*?^\])/ms.exec(readFileSync('site/config.mjs', 'utf8')) ?? []
  const groupsOf = (text: string, group: RegExp, page: RegExp): Record<string, string[]> =>
    Object.fromEntries(
      [...text.matchAll(group)].map(([, name = '', rest = '']) => [
        name,
        [...rest.matchAll(page)].map(([, file]) => `${file}.md`).sort(),
      ]),
    )
  const listed = groupsOf(more, /^- \*\*(.+?)\*\*: (.*docs\/.*)$/gm, /docs\/([\w-]+)\.md/g)
  const shown = groupsOf(sidebar, /\[\s*'([^']+)',\s*\[([^\]]*)\]/g, /'([\w-]+)'/g)
  expect(listed).toEqual(shown)
  expect(Object.values(shown).flat().sort()).toEqual(pages.sort())
})

test('no page has a heading twice', () => {
  expect(PAGES.flatMap((page) => headingsTwice(page, readFileSync(page, 'utf8')))).toEqual([])
  const text = '# One\n\n## Two\n\n### Three\n\n## Four\n\n### Three\n\n```md\n## Four\n```\n\n## Two\n'
  expect(headingsTwice('a.md', text)).toEqual(['a.md: "Two" is there twice'])
})

test('a broken link is reported', () => {
  const text =
    '# One\n\n## Of `two`, three\n\n[a](README.md) [b](nothing.md) [c](#of-two-three) [d](#four)\n\n```md\n[e](none.md)\n```\n'
  expect(astray('README.md', text)).toEqual([
    'README.md: nothing.md leads nowhere',
    'README.md: #four is not a heading there',
  ])
})
