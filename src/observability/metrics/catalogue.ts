/** The type of a metric. */
type MetricType = 'counter' | 'gauge' | 'histogram'

/** Description of a metric. */
export interface MetricEntry {
  readonly type: MetricType
  readonly help: string
  /** Labels besides `sentinel`, which names the sentinel. */
  readonly labels: readonly string[]
  /** How prom-client combines the values of a cluster's workers. */
  readonly aggregator: 'sum' | 'min' | 'max'
}

const entry =
  (type: MetricType, aggregator: MetricEntry['aggregator'] = 'sum') =>
  (help: string, ...labels: string[]): MetricEntry => ({ type, help, labels, aggregator })
const counter = entry('counter')
const gauge = entry('gauge')
const least = entry('gauge', 'min')
const latest = entry('gauge', 'max')
const histogram = entry('histogram')

/**
 * All metrics. Names follow the conventions of Prometheus (https://prometheus.io/docs/practices/naming/): base units, and
 * `_total` for counters. No label ever contains the id of a user or chat.
 */
export const CATALOGUE = {
  sentinel_verdicts_total: counter(
    'Updates by decision: allowed, denied (by which guard, and why), or of a kind unknown to this version.',
    'verdict',
    'guard',
    'reason',
    'kind',
  ),
  sentinel_shadow_verdicts_total: counter(
    'Denials by guards in shadow, whose updates passed.',
    'guard',
    'reason',
    'kind',
  ),
  sentinel_handler_denials_total: counter(
    'Updates that a sentinel allowed, or whose kind is unknown, and that guards in front of handlers, or handlers, denied.',
    'guard',
    'reason',
    'kind',
  ),
  sentinel_verdict_duration_seconds: histogram(
    'Time from the arrival of an update at the guards to its verdict, without waiting for a place.',
    'verdict',
  ),
  sentinel_guard_duration_seconds: histogram(
    'By guard: until its checks were answered (guards of a chain are decided in one call), and what it does of its own, before (observe) and after (admit).',
    'guard',
    'step',
  ),
  sentinel_storage_duration_seconds: histogram(
    'Calls to the storage, including the wait for a shared round trip.',
    'operation',
    'outcome',
  ),
  sentinel_storage_batch_size: histogram('Questions that shared a round trip to the server.', 'storage'),
  sentinel_storage_call_failures_total: counter('Calls to the server that failed as a whole.', 'storage'),
  sentinel_storage_up: least('Whether the storage answers: 1 or 0.', 'storage'),
  sentinel_storage_circuit_state: gauge(
    '1 for the state the breaker is in, 0 for the others.',
    'storage',
    'state',
  ),
  sentinel_storage_outages_total: counter('Times the storage went down, since it was made.', 'storage'),
  sentinel_storage_fallback_decisions_total: counter(
    'Decisions of this sentinel made in memory in place of the storage.',
    'storage',
  ),
  sentinel_storage_late_answers_total: counter(
    'Answers that came after the decision was made without them.',
    'storage',
  ),
  sentinel_storage_corrupt_records_total: counter('Records that could not be read.', 'storage'),
  sentinel_storage_bytes: gauge('Bytes that records of limits take.', 'storage'),
  sentinel_tracked_keys: gauge('Subjects with volatile state.', 'storage'),
  sentinel_evictions_total: counter(
    'Records evicted before they expired, to stay within the cap.',
    'storage',
  ),
  sentinel_untracked_total: counter(
    'Updates admitted uncounted, because the cap was full of penalties.',
    'storage',
  ),
  sentinel_membership_transitions_total: counter('Membership transitions, by event.', 'transition'),
  sentinel_marks_total: counter('Marks put on subjects, or removed.', 'event'),
  sentinel_hook_duration_seconds: histogram('Runs of hooks, by name and result.', 'hook', 'outcome'),
  sentinel_background_duration_seconds: histogram(
    'Background work, such as notices and answers.',
    'work',
    'outcome',
  ),
  sentinel_queue_depth: gauge('Waiting entries, by queue.', 'queue'),
  sentinel_queue_dropped_total: counter('Entries dropped because too many waited, by queue.', 'queue'),
  sentinel_notices_unsaid_total: counter('Notices not sent, to stay within the budget.'),
  sentinel_errors_total: counter(
    'Failures of the package and of functions passed to it, by activity.',
    'during',
  ),
  sentinel_warnings_total: counter('Warnings, by code.', 'code'),
  sentinel_last_update_timestamp_seconds: latest('When the last update arrived, in seconds since 1970.'),
} as const satisfies Readonly<Record<string, MetricEntry>>

/** Metrics of an MTProto client, if there is one. */
export const MTPROTO_CATALOGUE = {
  sentinel_mtproto_call_duration_seconds: histogram(
    'Calls by MTProto, by method, until they were answered.',
    'method',
    'outcome',
  ),
  sentinel_mtproto_errors_total: counter(
    'Calls by MTProto that were answered with an error, by its name.',
    'error',
  ),
  sentinel_mtproto_wait_duration_seconds: histogram('Waits that Telegram demanded, by method.', 'method'),
  sentinel_mtproto_connections_total: counter('Connections made: all but the first are reconnects.'),
  sentinel_mtproto_bytes_total: counter('Bytes over the wire.', 'direction'),
  sentinel_mtproto_gap_duration_seconds: histogram(
    'Gaps in the updates of the account or a channel, from detection until they were fetched.',
    'of',
  ),
  sentinel_mtproto_too_long_total: counter('Gaps that had to be looked up message by message.'),
  sentinel_mtproto_handling: gauge('Bridged updates that are being handled, or wait to be.'),
} as const satisfies Readonly<Record<string, MetricEntry>>

/** The name of an MTProto metric. */
export type MtprotoMetricName = keyof typeof MTPROTO_CATALOGUE

/** The name of a metric. */
export type MetricName = keyof typeof CATALOGUE
