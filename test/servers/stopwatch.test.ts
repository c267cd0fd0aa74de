import { Stopwatch } from './stopwatch.js'

let watch: Stopwatch
beforeEach(() => {
  watch = new Stopwatch()
})
afterEach(() => watch.stop())

test('time that this process spends computing counts', () => {
  const from = process.cpuUsage()
  let used = 0
  while (used < 100) {
    const { user, system } = process.cpuUsage(from)
    used = (user + system) / 1000
  }
  expect(watch.passed).toBeGreaterThanOrEqual(100)
})

test('time that it spends waiting counts', async () => {
  for (let i = 0; i < 10; i++) await new Promise((done) => setTimeout(done, 10))
  expect(watch.passed).toBeGreaterThanOrEqual(90)
})

test('time in which the machine does not let it run does not count', () => {
  const before = watch.passed
  // Stops the thread, as a machine does that is busy with others.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
  expect(watch.passed - before).toBeLessThan(150)
})
