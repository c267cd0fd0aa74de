// npm run bench:decorators: the cost of a decorator on a handler, compared to rate-limiter-flexible.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/decorators.ts',
  output: '.cache/bench/bench/decorators.js',
})
