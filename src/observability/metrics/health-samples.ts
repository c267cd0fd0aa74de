import type { CircuitState } from '../../storage/contract/condition.js'
import type { StorageHealth } from '../../storage/contract/storage.js'
import type { SentinelHealth } from '../health/data.js'
import type { MetricName } from './catalogue.js'
import type { Sample } from './exposition.js'
import { Distribution } from './series.js'

const STATES: readonly CircuitState[] = ['closed', 'half-open', 'open']

/** Returns the samples of a metric that is derived from the sentinel's health. */
export function healthSamples(metric: MetricName, health: SentinelHealth): Sample[] {
  switch (metric) {
    case 'sentinel_queue_depth':
      return byQueue(queues(health))
    case 'sentinel_queue_dropped_total':
      return byQueue(drops(health))
    case 'sentinel_notices_unsaid_total':
      return [[{}, health.unsaid]]
    default:
      return storagesOf(health.storage).flatMap(([storage, each]) => storageSamples(metric, storage, each))
  }
}

/** Returns a storage and all storages it consists of, with names made of kind and position. */
function storagesOf(health: StorageHealth, name = health.kind): (readonly [string, StorageHealth])[] {
  const members = (health.storages ?? []).flatMap((each, index) =>
    storagesOf(each, `${name}.${index}.${each.kind}`),
  )
  return [[name, health], ...members]
}

function storageSamples(metric: MetricName, storage: string, health: StorageHealth): Sample[] {
  const { circuit, calls } = health
  const one = (value: number | undefined): Sample[] => (value === undefined ? [] : [[{ storage }, value]])
  switch (metric) {
    case 'sentinel_storage_up':
      return one(health.ok ? 1 : 0)
    case 'sentinel_storage_circuit_state':
      return circuit === undefined
        ? []
        : STATES.map((state) => [{ storage, state }, circuit.state === state ? 1 : 0])
    case 'sentinel_storage_outages_total':
      return one(circuit?.outages)
    case 'sentinel_storage_late_answers_total':
      return one(circuit?.late)
    case 'sentinel_storage_corrupt_records_total':
      return one(health.corrupt)
    case 'sentinel_storage_bytes':
      return one(health.bytes)
    case 'sentinel_tracked_keys':
      return one(health.tracked)
    case 'sentinel_evictions_total':
      return one(health.evicted)
    case 'sentinel_untracked_total':
      return one(health.untracked)
    case 'sentinel_storage_call_failures_total':
      return one(calls?.failed)
    case 'sentinel_storage_batch_size': {
      if (calls === undefined) return []
      const sizes = new Distribution(calls.sizes.map(({ atMost }) => atMost))
      calls.sizes.forEach((size, index) => {
        sizes.counts[index] = size.calls
      })
      sizes.sum = calls.questions
      return [[{ storage }, sizes]]
    }
    default:
      return []
  }
}

type Queues = readonly (readonly [queue: string, many: number | undefined])[]

function byQueue(queues: Queues): Sample[] {
  return queues.flatMap(([queue, many]): Sample[] => (many === undefined ? [] : [[{ queue }, many]]))
}

function queues({ background, hooks, held, outgoing, activity, storage }: SentinelHealth): Queues {
  return [
    ['background', background.running],
    ['hooks', hooks.running],
    ...Object.entries(held),
    ['outgoing', outgoing?.waiting],
    ['activity', activity?.waiting],
    ['storage', sumOf(storage, ({ calls }) => calls?.waiting)],
    ['marks', sumOf(storage, ({ circuit }) => circuit?.waiting.marks)],
    ['settlements', sumOf(storage, ({ circuit }) => circuit?.waiting.settlements)],
  ]
}

function drops({ background, hooks, outgoing, activity, storage }: SentinelHealth): Queues {
  return [
    ['background', background.dropped],
    ['hooks', hooks.dropped],
    ['outgoing', outgoing?.overloaded],
    ['activity', activity?.dropped],
    ['marks', sumOf(storage, ({ circuit }) => circuit?.dropped.marks)],
    ['settlements', sumOf(storage, ({ circuit }) => circuit?.dropped.settlements)],
  ]
}

/** Adds up a value over a storage and all storages it consists of. Returns undefined if none has the value. */
function sumOf(
  storage: StorageHealth,
  read: (each: StorageHealth) => number | undefined,
): number | undefined {
  return storagesOf(storage)
    .map(([, each]) => read(each))
    .reduce((sum, many) => (many === undefined ? sum : (sum ?? 0) + many), undefined)
}
