// npm run bench:storage: the cost of storages on servers, compared to rivals. "redis" or "postgres" runs only that one.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/storage.ts',
  output: '.cache/bench/bench/storage.js',
})
