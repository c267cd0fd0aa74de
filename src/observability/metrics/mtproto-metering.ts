import { steadyClock } from '../../core/clock.js'
import type { MtprotoObserved } from '../mtproto.js'
import type { MtprotoMetricName } from './catalogue.js'
import type { Sample } from './exposition.js'
import { Counts, Distributions, REST } from './series.js'

/** Names of methods and errors as in Telegram's schema; other names could contain anything and are not used as labels. */
const METHOD = /^[a-z][a-zA-Z]{0,40}(\.[a-zA-Z0-9]{1,60})?$/
const ERROR = /^[A-Z][A-Z_]{0,80}$/

/** Counts and times what one MTProto client does. */
export class MtprotoMetering {
  readonly #calls = new Distributions(['method', 'outcome'])
  readonly #errors = new Counts(['error'])
  readonly #waits = new Distributions(['method'])
  readonly #gaps = new Distributions(['of'])
  readonly #stop: () => void

  constructor(private readonly client: MtprotoObserved) {
    this.#stop = client.watch({
      call: (method) => {
        const from = steadyClock()
        return (error) => {
          const outcome = error === undefined ? 'ok' : 'failed'
          this.#calls.of(spelled(method, METHOD), outcome).observe((steadyClock() - from) / 1000)
          if (error !== undefined) this.#errors.add(spelled(error, ERROR))
        }
      },
      wait: ({ method, waitMs }) => this.#waits.of(spelled(method, METHOD)).observe(waitMs / 1000),
      recovered: ({ of, ms }) => this.#gaps.of(of).observe(ms / 1000),
    })
  }

  close(): void {
    this.#stop()
  }

  samples(metric: MtprotoMetricName): Iterable<Sample> {
    switch (metric) {
      case 'sentinel_mtproto_call_duration_seconds':
        return this.#calls.samples()
      case 'sentinel_mtproto_errors_total':
        return this.#errors.samples()
      case 'sentinel_mtproto_wait_duration_seconds':
        return this.#waits.samples()
      case 'sentinel_mtproto_gap_duration_seconds':
        return this.#gaps.samples()
      case 'sentinel_mtproto_connections_total':
        return [[{}, this.client.counts().connections]]
      case 'sentinel_mtproto_bytes_total': {
        const { bytesIn, bytesOut } = this.client.counts()
        return [
          [{ direction: 'in' }, bytesIn],
          [{ direction: 'out' }, bytesOut],
        ]
      }
      case 'sentinel_mtproto_too_long_total':
        return [[{}, this.client.counts().tooLong]]
      case 'sentinel_mtproto_handling':
        return [[{}, this.client.counts().handling]]
    }
  }
}

function spelled(name: string, as: RegExp): string {
  return as.test(name) ? name : REST
}
