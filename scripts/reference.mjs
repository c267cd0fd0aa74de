// Makes reference pages from docstrings: a page for each entry point, a section for each symbol, with signature, text and example.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor'
import { ENTRIES } from './entries.mjs'
import { root } from './run.mjs'

/** Writes the pages to a folder; returns their titles and links, for a sidebar. */
export function writeReference(folder) {
  mkdirSync(folder, { recursive: true })
  const model = join(root, '.cache', 'api-model')
  rmSync(model, { recursive: true, force: true })
  mkdirSync(model, { recursive: true })
  const pages = []
  for (const [name, entry] of Object.entries(ENTRIES)) {
    const file = join(model, `${name}.json`)
    extract(entry, file)
    const { members } = JSON.parse(readFileSync(file, 'utf8')).members[0]
    const title = name === 'grammy-sentinel' ? name : `grammy-sentinel/${name.replace('-', '/')}`
    const symbols = [...members].sort((a, b) => a.name.localeCompare(b.name, 'en'))
    const sections = symbols.map(sectionOf)
    writeFileSync(join(folder, `${name}.md`), `# ${title}\n\n${sections.join('\n\n')}\n`)
    pages.push({ text: title, link: `/reference/${name}` })
  }
  const list = pages.map(({ text, link }) => `- [${text}](${link}.md)`).join('\n')
  writeFileSync(
    join(folder, 'index.md'),
    `# Reference\n\nAll that is exported, by entry point, from the docstrings.\n\n${list}\n`,
  )
  return pages
}

function extract(entry, file) {
  const path = join(root, 'api-extractor.json')
  const configObject = ExtractorConfig.loadFile(path)
  configObject.mainEntryPointFilePath = join(root, entry)
  configObject.apiReport.enabled = false
  configObject.docModel = { enabled: true, apiJsonFilePath: file, includeForgottenExports: false }
  const config = ExtractorConfig.prepare({
    configObject,
    configObjectFullPath: path,
    packageJsonFullPath: join(root, 'package.json'),
  })
  Extractor.invoke(config, {
    localBuild: true,
    messageCallback: (message) => {
      message.handled = true
    },
  })
}

function sectionOf(member) {
  const signature = (member.excerptTokens ?? [])
    .map(({ text }) => text)
    .join('')
    .trim()
  const parts = [`## ${member.name}`, `\`\`\`ts\n${signature}\n\`\`\``, textOf(member.docComment)]
  for (const inner of member.members ?? []) {
    const said = textOf(inner.docComment)
    if (said === '') continue
    const own = inner.excerptTokens
      .map(({ text }) => text)
      .join('')
      .trim()
    parts.push(`### ${inner.name ?? 'constructor'}\n\n\`\`\`ts\n${own}\n\`\`\`\n\n${said}`)
  }
  return parts.filter((part) => part !== '').join('\n\n')
}

/** Converts a docstring to Markdown: tags become headings, links become code. */
function textOf(comment) {
  if (comment === undefined || comment === '') return ''
  const text = comment
    .replace(/^\/\*\*\s?/, '')
    .replace(/\s*\*\/\s*$/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\*? ?/, ''))
    .join('\n')
    .replaceAll(/\{@link ([^}|]+)(?:\|[^}]*)?\}/g, '`$1`')
    .replaceAll(/^@example\s*$/gm, '**Example**\n')
    .replaceAll(/^@throws (\S+)/gm, '\n**Throws** `$1`')
    .replaceAll(/^@param (\S+)/gm, '\n**`$1`**')
    .replaceAll(/^@returns?/gm, '\n**Returns**')
    .replaceAll(/^@(internal|packageDocumentation)\s*$/gm, '')
    .trim()
  // Outside of code, Vue would interpret angle brackets.
  return text
    .split(/(```[\s\S]*?```|`[^`]*`)/)
    .map((part, nth) =>
      nth % 2 === 1 ? part : part.replaceAll('<', '&lt;').replaceAll('{{', '&#123;&#123;'),
    )
    .join('')
}
