// npm run bench:decorators: what a decorator on a handler costs beside rate-limiter-flexible.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/decorators.ts',
  output: '.cache/bench/bench/decorators.js',
})
