// npm run bench:webhook: the throughput of our webhook, compared to grammY's own, also under a flood.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/webhook.ts',
  output: '.cache/bench/bench/webhook.js',
})
