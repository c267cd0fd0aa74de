import { writeFileSync } from 'node:fs'

/** A measured value and its target. */
export interface Finding {
  readonly what: string
  readonly measured: number
  readonly unit: string
  /** The target: an upper or a lower bound. */
  readonly most?: number
  readonly least?: number
  /** The plot in which the value is drawn next to others of the same name. */
  readonly plot?: string
}

/**
 * Scales a number of rounds. `BENCH_SHARE` sets the fraction; without it all rounds are run. `npm run bench` uses fractions
 * because it runs many benches; a hundredth suffices to see whether a bench works.
 */
export function part(of: number, least = 2): number {
  const share = Number(process.env.BENCH_SHARE ?? 1)
  return Math.max(least, Math.round(of * (share > 0 && share <= 1 ? share : 1)))
}

/** Prints the findings; returns whether any target was missed. */
export function run(findings: readonly Finding[]): boolean {
  let missed = false
  console.log('\n| what | measured | asked | |\n|---|---:|---:|---|')
  for (const finding of findings) {
    const { what, measured, unit, most, least } = finding
    const met = isMet(finding)
    const asked =
      most === undefined && least === undefined ? '' : most === undefined ? `≥ ${least}` : `≤ ${most}`
    if (met === false) missed = true
    const verdict = met === undefined ? '' : met ? 'met' : 'MISSED'
    console.log(`| ${what} | ${measured.toFixed(2)} ${unit} | ${asked} | ${verdict} |`)
  }
  // The file that `npm run bench` names, which collects the findings of all benches.
  const { BENCH_FINDINGS: file } = process.env
  if (file !== undefined) writeFileSync(file, JSON.stringify(findings))
  return missed
}

/** Whether the target was met; undefined without a target. */
function isMet({ measured, most, least }: Finding): boolean | undefined {
  if (most === undefined && least === undefined) return undefined
  return (most === undefined || measured <= most) && (least === undefined || measured >= least)
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

/** Measures the nanoseconds per call, over this many calls. */
export async function nanoseconds(times: number, work: () => Promise<void> | void): Promise<number> {
  const start = process.hrtime.bigint()
  await work()
  return Number(process.hrtime.bigint() - start) / times
}

/** The same in processor time, which excludes other processes on the machine. */
export async function processorTime(times: number, work: () => Promise<void> | void): Promise<number> {
  const start = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(start)
  return ((user + system) * 1000) / times
}
