import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { node } from './run.mjs'

/**
 * Runs groups of steps: the groups one after another, and the steps of a group at the same time. Ends after the first group with a
 * step that fails; the other steps of that group run to their end. Returns the steps that failed and what each step took.
 *
 * @param groups Lists of steps: name, arguments of Node, and options of {@link node}, which only a step alone in its group may have.
 * @param options.folder Where the output of steps is kept while others run.
 * @param options.before Called before a group starts; waited for.
 */
export async function runGroups(groups, { folder, before, print = console.log }) {
  mkdirSync(folder, { recursive: true })
  const times = []
  for (const group of groups) {
    await before?.(group)
    // Printed at the start, so that a step that hangs is known by its name.
    print(`\n== ${group.map(([name]) => name).join(', ')}`)
    const isAlone = group.length === 1
    const results = await Promise.all(group.map((step) => (isAlone ? run(step) : recorded(step))))
    const broken = results.filter(({ code }) => code !== 0)
    if (broken.length > 0) return { broken, times }
  }
  return { broken: [], times }

  async function run([name, args, options]) {
    const start = performance.now()
    const code = await node(args, options)
    times.push(`${name} ${((performance.now() - start) / 1000).toFixed(1)} s`)
    return { name, code }
  }

  /** Runs a step beside others, and prints its output when it has ended. */
  async function recorded([name, args]) {
    const path = join(folder, `${name.replaceAll(' ', '-')}.log`)
    const output = openSync(path, 'w')
    const result = await run([name, args, { stdio: ['ignore', output, output] }])
    closeSync(output)
    print(`\n== ${name}\n${readFileSync(path, 'utf8')}`.trimEnd())
    return result
  }
}
