import { type StorageOnTrial, storageConformance } from '../../src/testing/conformance.js'

/** The published suite, as tests of jest. */
export function conformance<Place = undefined>(name: string, trial: StorageOnTrial<Place>): void {
  describe(`${name} keeps the storage contract`, () => {
    for (const { name: promise, timeout, run } of storageConformance(trial)) test(promise, run, timeout)
  })
}
