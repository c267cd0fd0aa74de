import { jest } from '@jest/globals'

/*
 * Real servers and sockets, and time-outs of a quarter of a second, on machines that sometimes stall: a failed test is retried up to
 * twice. A real error fails three times; tests that passed only after a retry are listed at the end of `npm test`.
 */
jest.retryTimes(2, { logErrorsBeforeRetry: true })
