import { SentinelError } from '../../src/core/errors.js'
import { type Ending, markUndone, settling, Uncertain } from '../../src/storage/remote/settling.js'

const failure = () => new SentinelError('storage.failed', 'redis: it is away')
const receipt = (): Ending => ({ settled: false, refunded: 0, ending: undefined })
const nothing = (): void => undefined

/** Settles a receipt, with a result that the test decides. */
function tell(of: Ending, how: 'refund' | 'release') {
  let [succeed, fail] = [nothing, (_: Error): void => undefined]
  const telling = new Promise<void>((fulfil, reject) => {
    succeed = fulfil
    fail = reject
  })
  const told = settling(of, how, telling, nothing)
  told.catch(nothing)
  return { told, succeed, fail }
}

test('settlements that failed together do not fail later ones', async () => {
  const ending = receipt()
  const [refund, release] = [tell(ending, 'refund'), tell(ending, 'release')]
  refund.fail(markUndone(failure()))
  release.fail(failure())
  await Promise.allSettled([refund.told, release.told])
  expect(ending.ending).toBeUndefined()
  const [again, too] = [tell(ending, 'refund'), tell(ending, 'release')]
  again.succeed()
  too.succeed()
  await expect(ending.ending).resolves.toBeUndefined()
})

test('nor do settlements that failed beside successful ones', async () => {
  const ending = receipt()
  const [refund, release] = [tell(ending, 'refund'), tell(ending, 'release')]
  refund.fail(markUndone(failure()))
  await expect(refund.told).rejects.toThrow('it is away')
  release.succeed()
  await release.told
  await expect(ending.ending ?? Promise.resolve()).resolves.toBeUndefined()
})

test('a repeated settlement waits for the one in flight, and gets its result', async () => {
  const ending = receipt()
  const [refund, release] = [tell(ending, 'refund'), tell(ending, 'release')]
  const meanwhile = ending.ending
  release.succeed()
  await release.told
  refund.fail(markUndone(failure()))
  await expect(meanwhile).rejects.toThrow('it is away')
})

test('a refund that may have taken effect stays uncertain', async () => {
  const ending = receipt()
  const [refund, release] = [tell(ending, 'refund'), tell(ending, 'release')]
  refund.fail(failure())
  release.fail(failure())
  await Promise.allSettled([refund.told, release.told])
  await expect(ending.ending).rejects.toBeInstanceOf(Uncertain)
})
