import { jest } from '@jest/globals'

/*
 * Real servers, real sockets and time-outs of a quarter of a second on machines that sometimes stand still: a test may be tried twice
 * more. What is wrong fails three times; what passed only when repeated is told at the end of `npm test`.
 */
jest.retryTimes(2, { logErrorsBeforeRetry: true })
