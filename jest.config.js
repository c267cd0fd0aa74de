import { availableParallelism } from 'node:os'

/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  globalSetup: '<rootDir>/test/servers/jest-setup.mjs',
  globalTeardown: '<rootDir>/test/servers/jest-teardown.mjs',
  testSequencer: '<rootDir>/test/sequencer.mjs',
  // Many of them wait for servers much of the time: with a worker a core, a fifth of the machine was idle. (Jest takes '150%' for 150.)
  maxWorkers: Math.ceil(availableParallelism() * 1.5),
  // Node does not free the modules of finished suites: after a hundred of them, a worker took 1.8 GB and ever longer to collect garbage.
  workerIdleMemoryLimit: '800MB',
  // For tests that hang. What judges by time says its own, so that a machine that stood still for seconds fails nothing.
  testTimeout: 120_000,
  extensionsToTreatAsEsm: ['.ts'],
  // Sources import each other as `./x.js`, the name they have once built.
  moduleNameMapper: {
    '/node_modules/fast-check/': '<rootDir>/node_modules/fast-check/lib/fast-check.js',
    '^fast-check$': '<rootDir>/test/property-seed.mjs',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  transform: {
    // As NestJS has it: decorators of before the standard, and fields that are assigned.
    '/examples/nest-style/.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, useDefineForClassFields: false },
          target: 'es2022',
        },
        module: { type: 'es6' },
      },
    ],
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          // The standard's; classes that want `experimentalDecorators` are compiled apart.
          transform: { decoratorVersion: '2022-03' },
          target: 'es2023',
        },
        module: { type: 'es6' },
      },
    ],
  },
}
