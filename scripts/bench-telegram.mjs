// npm run bench:telegram: how much the embedded Telegram bears, how fast it starts, and what a test costs. Arguments: seconds
// of load (60), updates a second (5000). Needs the garbage collector in hand.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/telegram.ts',
  output: '.cache/bench/bench/telegram.js',
  nodeArgs: ['--expose-gc'],
})
