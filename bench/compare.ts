/** A comparison of a measured value with what was asked of it. */
export interface Finding {
  readonly what: string
  readonly measured: number
  readonly unit: string
  /** Asked: at most, or at least. */
  readonly most?: number
  readonly least?: number
}

/** Prints what was found; whether anything was missed. */
export async function run(findings: readonly Finding[]): Promise<boolean> {
  let missed = false
  console.log('\n| what | measured | asked | |\n|---|---:|---:|---|')
  for (const { what, measured, unit, most, least } of findings) {
    const good = (most === undefined || measured <= most) && (least === undefined || measured >= least)
    const asked =
      most === undefined && least === undefined ? '' : most === undefined ? `≥ ${least}` : `≤ ${most}`
    if (!good) missed = true
    console.log(
      `| ${what} | ${measured.toFixed(2)} ${unit} | ${asked} | ${asked === '' ? '' : good ? 'met' : 'MISSED'} |`,
    )
  }
  return missed
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
