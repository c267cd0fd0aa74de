import { isBuiltin } from 'node:module'
import { dirname, join, normalize } from 'node:path/posix'

const BELONGS = [
  /^dist\/.+\.(js|d\.ts|json)$/,
  /^docs\/([\w.-]+\/)?[\w.-]+\.(md|svg)$/,
  /^observability\/(grafana|prometheus)\/[\w.-]+\.(json|yml)$/,
  /^((README|CHANGELOG|ARCHITECTURE|CONTRIBUTING)\.md|LICENSE|package\.json)$/,
]
const REQUIRED = ['README.md', 'LICENSE', 'CHANGELOG.md', 'package.json']

/** Checks a list of packed files against the manifest; returns one line per problem. */
export function problemsOfFiles(files, manifest) {
  const packed = new Set(files)
  const problems = files
    .filter((file) => !BELONGS.some((form) => form.test(file)))
    .map((file) => `${file} is packed and should not be`)
  for (const file of REQUIRED) if (!packed.has(file)) problems.push(`${file} is not packed`)
  for (const [name, target] of [
    ...targetsOf('exports', manifest.exports),
    ...targetsOf('bin', manifest.bin),
  ]) {
    if (!packed.has(target.replace(/^\.\//, ''))) {
      problems.push(`${name} points at ${target}, which is not packed`)
    }
  }
  return problems
}

/**
 * Finds links in packed pages and alerts to files that are not packed. The package names no repository that links could lead to
 * instead, so the linked pages must be in the package. `textOf` reads a packed file.
 */
export function problemsOfLinks(files, textOf) {
  const packed = new Set(files)
  const isThere = (target) =>
    target.endsWith('/') ? files.some((file) => file.startsWith(target)) : packed.has(target)
  return files.flatMap((file) =>
    targetsIn(file, textOf)
      .filter((target) => !isThere(target))
      .map((target) => `${file} sends its readers to ${target}, which is not packed`),
  )
}

/**
 * Finds packages that packed code or types import although the manifest does not declare them: users may have another version of
 * them, or none, and then types silently turn into `any`. `textOf` reads a packed file.
 */
export function problemsOfImports(files, manifest, textOf) {
  const declared = { [manifest.name]: '', ...manifest.dependencies, ...manifest.peerDependencies }
  return files
    .filter((file) => /\.(js|d\.ts)$/.test(file))
    .flatMap((file) =>
      [...new Set(importsIn(textOf(file)))]
        .filter((name) => !name.startsWith('.') && !isBuiltin(name))
        .filter((name) => !Object.hasOwn(declared, /^(@[^/]+\/)?[^/]+/.exec(name)[0]))
        .map((name) => `${file} imports ${name}, which the package does not declare`),
    )
}

/** Examples in comments may import what they like. */
function importsIn(text) {
  const code = text.replace(/^\s*\/\*\*[\s\S]*?\*\/|^\s*\/\/.*/gm, '')
  const statements = code.matchAll(/^\s*(?:import|export)\b(?:[^'"();]*?\bfrom)?\s*['"]([^'"]+)['"]/gm)
  const calls = code.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)
  return [...statements, ...calls].map(([, name]) => name)
}

function targetsIn(file, textOf) {
  if (file.endsWith('.yml')) {
    return [...textOf(file).matchAll(/^\s*runbook: (\S+)$/gm)].map(([, path]) => path)
  }
  if (!file.endsWith('.md')) return []
  const prose = textOf(file)
    .replace(/^(`{3,})[\s\S]*?^\1$/gm, '')
    .replace(/`[^`\n]*`/g, '')
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link]) => link)
    .filter((link) => !/^([a-z]+:|#)/.test(link))
    .map((link) => normalize(join(dirname(file), link.split('#')[0])))
}

function targetsOf(name, value) {
  if (typeof value === 'string') return [[name, value]]
  return Object.entries(value ?? {}).flatMap(([key, inner]) => targetsOf(`${name}["${key}"]`, inner))
}
