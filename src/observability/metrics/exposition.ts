import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { SentinelError } from '../../core/errors.js'
import {
  CATALOGUE,
  type MetricEntry,
  type MetricName,
  MTPROTO_CATALOGUE,
  type MtprotoMetricName,
} from './catalogue.js'
import { type Distribution, LATENCIES } from './series.js'

/** The value of one series: a number, or a distribution that is exposed as buckets. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number | Distribution]

/** A sentinel as a source of metric values. */
export interface Source {
  /** Value of the label `sentinel`. */
  readonly name: string
  samples(metric: MetricName): Promise<Iterable<Sample>>
  /** Values of its MTProto client, if it has one. */
  mtproto?(metric: MtprotoMetricName): Iterable<Sample>
}

type Value = { labels: Record<string, string | number>; value: number; metricName?: string }

/** The metrics of one registry, and the sentinels exposed there. */
export class Exposition {
  readonly sources = new Set<Source>()
  private readonly first: Counter

  private constructor(private readonly registry: Registry) {
    this.tell(CATALOGUE, (source, metric) => source.samples(metric as MetricName))
    this.first = registry.getSingleMetric('sentinel_verdicts_total') as Counter
  }

  /** Exposes metrics of MTProto clients, too. */
  tellMtproto(): void {
    if (this.registry.getSingleMetric('sentinel_mtproto_handling') !== undefined) return
    this.tell(
      MTPROTO_CATALOGUE,
      async (source, metric) => source.mtproto?.(metric as MtprotoMetricName) ?? [],
    )
  }

  private tell(
    catalogue: Readonly<Record<string, MetricEntry>>,
    read: (source: Source, metric: string) => Promise<Iterable<Sample>>,
  ): void {
    const { registry } = this
    for (const [name, entry] of Object.entries(catalogue)) {
      if (registry.getSingleMetric(name) !== undefined) {
        throw new SentinelError(
          'option.invalid',
          `metrics.registry: it already has another metric named ${name}. Rename that one, or give metrics() its own registry.`,
        )
      }
      metricOf(name, entry, registry, (metric) => this.values(metric, read))
    }
  }

  /** Returns the exposition of a registry; creates it on first use, and again if the registry was cleared. */
  static of(registry: Registry): Exposition {
    const known = expositions.get(registry)
    if (known !== undefined && registry.getSingleMetric('sentinel_verdicts_total') === known.first)
      return known
    const made = new Exposition(registry)
    expositions.set(registry, made)
    return made
  }

  add(source: Source): () => void {
    this.sources.add(source)
    return () => {
      this.sources.delete(source)
    }
  }

  private async values(
    metric: string,
    read: (source: Source, metric: string) => Promise<Iterable<Sample>>,
  ): Promise<Value[]> {
    const all = await Promise.all(
      [...this.sources].map(async (source) => {
        const values: Value[] = []
        for (const [labels, value] of await read(source, metric)) {
          const own = { sentinel: source.name, ...labels }
          if (typeof value === 'number') values.push({ labels: own, value })
          else writeOut(values, metric, own, value)
        }
        return values
      }),
    )
    return all.flat()
  }
}

const expositions = new WeakMap<Registry, Exposition>()

function writeOut(
  values: Value[],
  metric: string,
  labels: Value['labels'],
  distribution: Distribution,
): void {
  const { bounds, counts, sum } = distribution
  let count = 0
  for (let i = 0; i < counts.length; i++) {
    count += counts[i] as number
    const le = bounds[i] ?? '+Inf'
    values.push({ labels: { ...labels, le }, value: count, metricName: `${metric}_bucket` })
  }
  values.push({ labels, value: sum, metricName: `${metric}_sum` })
  values.push({ labels, value: count, metricName: `${metric}_count` })
}

/** Registers a prom-client metric whose values are read when it is scraped. */
function metricOf(
  name: string,
  { type, help, labels, aggregator }: MetricEntry,
  registry: Registry,
  read: (metric: string) => Promise<Value[]>,
): void {
  const config = { name, help, labelNames: ['sentinel', ...labels], registers: [registry] }
  const metric =
    type === 'counter'
      ? new Counter(config)
      : type === 'gauge'
        ? new Gauge(config)
        : new Histogram({ ...config, buckets: [...LATENCIES] })
  // Reads the name when scraped, since prom-client changes it: in OpenMetrics counters have no `_total`.
  const told = metric as unknown as { name: string; get: () => Promise<unknown>; getForPromString: unknown }
  told.get = async () => ({ name: told.name, help, type, aggregator, values: await read(name) })
  told.getForPromString = told.get
}
