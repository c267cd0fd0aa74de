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
    'Updates by what was decided: allowed, denied (by which guard, and why), or unknown to this version.',
    'verdict',
    'guard',
    'reason',
    'kind',
  ),
  sentinel_shadow_verdicts_total: counter(
    'Denials by guards in shadow; the updates passed.',
    'guard',
    'reason',
    'kind',
  ),
  sentinel_handler_denials_total: counter(
    'Updates that a sentinel allowed, and that guards in front of their handlers, or the handlers, denied.',
    'guard',
    'reason',
    'kind',
  ),
  sentinel_verdict_duration_seconds: histogram(
    'From the arrival of an update at the guards to its verdict, without the waiting for a place.',
    'verdict',
  ),
  sentinel_guard_duration_seconds: histogram(
    'By guard: until its checks were answered (guards of a chain are decided in one call), and what it does of its own, before (observe) and after (admit).',
    'guard',
    'step',
  ),
  sentinel_storage_duration_seconds: histogram(
    'Questions to the storage, the waiting for a shared call included.',
    'operation',
    'outcome',
  ),
  sentinel_storage_batch_size: histogram('Questions that shared a call to the server.', 'storage'),
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
    'Answers that came when it had been decided without them.',
    'storage',
  ),
  sentinel_storage_corrupt_records_total: counter('Records that could not be read.', 'storage'),
  sentinel_storage_bytes: gauge('Bytes that records of limits take.', 'storage'),
  sentinel_tracked_keys: gauge('Subjects with volatile state.', 'storage'),
  sentinel_evictions_total: counter(
    'Records given up to stay within the cap, though they had not expired.',
    'storage',
  ),
  sentinel_untracked_total: counter(
    'Updates admitted uncounted, since the cap was full of penalties.',
    'storage',
  ),
  sentinel_membership_transitions_total: counter('Who came and went, by event.', 'transition'),
  sentinel_marks_total: counter('Marks put on subjects, or taken away.', 'event'),
  sentinel_hook_duration_seconds: histogram('Hooks, by name and how they ended.', 'hook', 'outcome'),
  sentinel_background_duration_seconds: histogram(
    'Work that no update waits for: notices, answers.',
    'work',
    'outcome',
  ),
  sentinel_queue_depth: gauge('What waits, by queue.', 'queue'),
  sentinel_queue_dropped_total: counter('What was given up since too much waited, by queue.', 'queue'),
  sentinel_notices_unsaid_total: counter('Notices not sent, to stay within the budget.'),
  sentinel_errors_total: counter(
    'Failures of ours and of functions handed over, by what was being done.',
    'during',
  ),
  sentinel_warnings_total: counter('Warnings, by code.', 'code'),
  sentinel_last_update_timestamp_seconds: latest('When the last update came, in seconds since 1970.'),
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
  sentinel_mtproto_wait_duration_seconds: histogram('Waits that Telegram demands, by method.', 'method'),
  sentinel_mtproto_connections_total: counter('Connections made: all but the first are reconnects.'),
  sentinel_mtproto_bytes_total: counter('Bytes over the wire.', 'direction'),
  sentinel_mtproto_gap_duration_seconds: histogram(
    'Times that updates were missed, of the account or a channel, from when it was noticed until they were fetched.',
    'of',
  ),
  sentinel_mtproto_too_long_total: counter(
    'Times that what was missed had to be looked up message by message.',
  ),
  sentinel_mtproto_handling: gauge('Bridged updates that are being handled, or wait for it.'),
} as const satisfies Readonly<Record<string, MetricEntry>>

/** The name of an MTProto metric. */
export type MtprotoMetricName = keyof typeof MTPROTO_CATALOGUE

/** The name of a metric. */
export type MetricName = keyof typeof CATALOGUE
