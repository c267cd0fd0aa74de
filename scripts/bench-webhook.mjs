// npm run bench:webhook: what a webhook of ours serves beside grammY's own, and under a flood.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/webhook.ts',
  output: '.cache/bench/bench/webhook.js',
})
