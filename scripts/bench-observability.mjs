// npm run bench:observability: what metrics, traces, health and statistics cost an update beside a guard that nobody sees.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/observability.ts',
  output: '.cache/bench/bench/observability.js',
  nodeArgs: ['--expose-gc', '--max-semi-space-size=256', '--no-allocation-site-pretenuring'],
})
