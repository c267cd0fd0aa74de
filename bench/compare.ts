import { writeFileSync } from 'node:fs'

/** A comparison of a measured value with what was asked of it. */
export interface Finding {
  readonly what: string
  readonly measured: number
  readonly unit: string
  /** Asked: at most, or at least. */
  readonly most?: number
  readonly least?: number
  /** The plot it is drawn in, beside the others of that name, as it is. */
  readonly plot?: string
}

/**
 * How many of so many: all, but where `BENCH_SHARE` says which part. `npm run bench` asks for parts, since it has many benches to run;
 * a hundredth shows whether a bench works.
 */
export function part(of: number, least = 2): number {
  const share = Number(process.env.BENCH_SHARE ?? 1)
  return Math.max(least, Math.round(of * (share > 0 && share <= 1 ? share : 1)))
}

/** Prints what was found; whether anything was missed. */
export async function run(findings: readonly Finding[]): Promise<boolean> {
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
  record(findings)
  return missed
}

/** For `npm run bench`, which gathers what all benches found: it names a file. */
export function record(findings: readonly Finding[]): void {
  const { BENCH_FINDINGS: file } = process.env
  if (file !== undefined) writeFileSync(file, JSON.stringify(findings))
}

/** Whether it is what was asked; undefined where nothing was. */
export function isMet({ measured, most, least }: Finding): boolean | undefined {
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

/** Nanoseconds a call of something that is called so often. */
export async function nanoseconds(times: number, work: () => Promise<void> | void): Promise<number> {
  const start = process.hrtime.bigint()
  await work()
  return Number(process.hrtime.bigint() - start) / times
}

/** The same in processor time: what others on the machine take is not counted. */
export async function processorTime(times: number, work: () => Promise<void> | void): Promise<number> {
  const start = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(start)
  return ((user + system) * 1000) / times
}
