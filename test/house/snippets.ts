import { execFile } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve, sep } from 'node:path'
import type { Snippet } from './docstrings.js'

/**
 * Compiles every snippet as a module of its own, all in one run of `tsc`, and returns its errors, with
 * the file and line of the snippet. Imports of the package resolve to `src`.
 */
export async function compileSnippets(snippets: readonly Snippet[], folder: string): Promise<string[]> {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const origin = new Map<string, Snippet>()
  const moduleOf = ({ path, line }: Snippet) => `${path.replace(/[^\w.]/g, '-')}.${line}`
  // A block that begins with the name of a file can be imported by the others of its page.
  const files = snippets.flatMap((snippet) => {
    const file = /^\/\/ ([\w-]+)\.ts\n/.exec(snippet.code)?.[1]
    return file === undefined ? [] : [{ ...snippet, file }]
  })
  for (const snippet of snippets) {
    const name = `${moduleOf(snippet)}.ts`
    origin.set(name, snippet)
    let code = snippet.code
    for (const each of files)
      if (each.path === snippet.path)
        code = code.replaceAll(`from './${each.file}.js'`, `from './${moduleOf(each)}.js'`)
    // Blank lines in front preserve the line numbers.
    writeFileSync(join(folder, name), `${'\n'.repeat(snippet.line - 1)}${code}\nexport {}\n`)
  }
  const source = (path: string): string[] => [`./${relative(folder, resolve(path)).split(sep).join('/')}`]
  const config = {
    extends: source('tsconfig.json')[0],
    compilerOptions: {
      // Pages about testing contain tests.
      types: ['node', 'jest'],
      // Snippets may declare variables without using them.
      noUnusedLocals: false,
      noUnusedParameters: false,
    },
    include: ['*.ts'],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config, null, 2))
  const output = await runTsc(folder)
  return output
    .split('\n')
    .filter((line) => line.includes('error TS'))
    .map((line) => {
      const match = /([^\\/]+\.ts)\((\d+),\d+\): error (.*)$/.exec(line)
      const snippet = match === null ? undefined : origin.get(match[1] as string)
      if (match === null || snippet === undefined) return line
      return `${snippet.path}:${match[2]} (block at line ${snippet.line}): ${match[3]}`
    })
}

function runTsc(folder: string): Promise<string> {
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
  const args = [tsc, '-p', folder, '--pretty', 'false']
  return new Promise((done, fail) => {
    execFile(process.execPath, args, { maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      if (error === null || stdout.includes('error TS')) done(stdout)
      else fail(new Error(`tsc failed: ${error.message}\n${stderr}${stdout}`))
    })
  })
}
