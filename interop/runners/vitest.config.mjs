// No time-outs: a busy machine takes what it takes, and whoever runs this ends what hangs.
export default {
  test: {
    dir: import.meta.dirname,
    include: ['*.vitest.mjs'],
    setupFiles: [`${import.meta.dirname}/matchers.mjs`],
    testTimeout: 0,
    hookTimeout: 0,
  },
}
