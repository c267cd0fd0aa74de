// npm run bench:storage: what storages on servers cost beside their rivals. "redis" or "postgres" asks for one alone.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/storage.ts',
  output: '.cache/bench/bench/storage.js',
})
