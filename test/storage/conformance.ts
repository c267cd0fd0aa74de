import { type StorageOnTrial, storageConformance } from '../../src/testing/conformance.js'

/** As for all our tests, which share the machine with others. */
const LEAST_TIMEOUT = 120_000

/** The published suite, as tests of jest. */
export function conformance<Place = undefined>(
  name: string,
  trial: StorageOnTrial<Place>,
  concerns: (promise: string) => boolean = () => true,
): void {
  describe(`${name} keeps the storage contract`, () => {
    for (const { name: promise, timeout, run } of storageConformance(trial)) {
      if (concerns(promise)) test(promise, run, Math.max(timeout, LEAST_TIMEOUT))
    }
  })
}
