/** One family of metrics, as parsed from the text format. */
export interface Family {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: Sample[]
}

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/
const NUMBER = /^(?:[+-]?Inf|NaN|[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/i

/**
 * Parses the text format of Prometheus (version 0.0.4). Throws at every irregularity, also at those that scrapers accept: duplicate
 * families and series, samples outside of their family, negative counters, and histograms whose buckets decrease, lack `+Inf` or do
 * not add up.
 */
export function parseExposition(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line does not end')
  const families = new Map<string, Family>()
  let current: Family | undefined
  let help: readonly [string, string] | undefined
  const seen = new Set<string>()
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue
    const [, word, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
    if (word === 'HELP') help = [name, rest]
    else if (word === 'TYPE') {
      if (!NAME.test(name)) throw new Error(`no name of a metric: ${line}`)
      if (!/^(counter|gauge|histogram|summary|untyped)$/.test(rest)) throw new Error(`no type: ${line}`)
      if (families.has(name)) throw new Error(`told twice: ${name}`)
      if (help?.[0] !== name || help[1] === '') throw new Error(`no help: ${name}`)
      current = { name, type: rest, help: help[1], samples: [] }
      families.set(name, current)
    } else if (line.startsWith('#')) throw new Error(`no comment of ours: ${line}`)
    else {
      const sample = sampleOf(line)
      if (current === undefined || !belongs(sample.name, current)) throw new Error(`out of place: ${line}`)
      const series = `${sample.name} ${JSON.stringify(Object.entries(sample.labels).sort())}`
      if (seen.has(series)) throw new Error(`a series twice: ${line}`)
      seen.add(series)
      current.samples.push(sample)
    }
  }
  for (const family of families.values()) check(family)
  return families
}

function sampleOf(line: string): Sample {
  const [, name = '', , inside = '', value = ''] = /^([^\s{]+)(\{(.*)\})? (\S+)$/.exec(line) ?? []
  if (!NAME.test(name) || !NUMBER.test(value)) throw new Error(`no sample: ${line}`)
  const labels: Record<string, string> = Object.create(null)
  for (let rest = inside; rest !== ''; ) {
    const [whole, label = '', text = ''] = LABEL.exec(rest) ?? []
    if (whole === undefined || label in labels) throw new Error(`no labels: ${line}`)
    labels[label] = text.replace(/\\(.)/g, (_, char) => (char === 'n' ? '\n' : char))
    rest = rest.slice(whole.length)
  }
  return { name, labels: { ...labels }, value: Number(value.replace('Inf', 'Infinity')) }
}

function belongs(name: string, { name: family, type }: Family): boolean {
  return type === 'histogram'
    ? ['_bucket', '_sum', '_count'].some((end) => name === family + end)
    : name === family
}

function check({ name, type, samples }: Family): void {
  if (type === 'counter') {
    if (!/_total$/.test(name)) throw new Error(`${name} is a counter and not called _total`)
    if (samples.some(({ value }) => !(value >= 0))) throw new Error(`${name} is a counter below zero`)
  } else if (/_total$/.test(name)) throw new Error(`${name} is not a counter and called _total`)
  if (type !== 'histogram') return
  const byLabels = new Map<string, Sample[]>()
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels
    const key = JSON.stringify(Object.entries(labels).sort())
    byLabels.set(key, [...(byLabels.get(key) ?? []), sample])
  }
  for (const [key, all] of byLabels) {
    const buckets = all.filter((sample) => sample.name.endsWith('_bucket'))
    const bounds = buckets.map(({ labels: { le = '' } }) => (le === '+Inf' ? Infinity : Number(le)))
    const counts = buckets.map(({ value }) => value)
    const rises = (list: number[], least: number): boolean =>
      list.every((value, i) => i === 0 || value - (list[i - 1] as number) >= least || value === Infinity)
    if (bounds.at(-1) !== Infinity || !rises(bounds, Number.MIN_VALUE))
      throw new Error(`${name}${key}: bounds`)
    if (!rises(counts, 0)) throw new Error(`${name}${key}: counts fall`)
    const count = all.find((sample) => sample.name.endsWith('_count'))?.value
    if (count !== counts.at(-1)) throw new Error(`${name}${key}: +Inf is not the count`)
    if (!all.some((sample) => sample.name.endsWith('_sum'))) throw new Error(`${name}${key}: no sum`)
  }
}
