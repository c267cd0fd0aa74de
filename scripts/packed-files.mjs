const BELONGS =
  /^(dist\/.+\.(js|d\.ts|json)|observability\/(grafana|prometheus)\/[\w.-]+\.(json|yml)|README\.md|LICENSE|CHANGELOG\.md|package\.json)$/
const REQUIRED = ['README.md', 'LICENSE', 'CHANGELOG.md', 'package.json']

/** What is wrong with a list of packed files, by what the manifest promises; one line each. */
export function problemsOfFiles(files, manifest) {
  const packed = new Set(files)
  const problems = files
    .filter((file) => !BELONGS.test(file))
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

function targetsOf(name, value) {
  if (typeof value === 'string') return [[name, value]]
  return Object.entries(value ?? {}).flatMap(([key, inner]) => targetsOf(`${name}["${key}"]`, inner))
}
