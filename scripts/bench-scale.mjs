// npm run bench:scale: from a thousand users to five million. Needs the garbage collector in hand.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/scale.ts',
  output: '.cache/bench/bench/scale.js',
  nodeArgs: ['--expose-gc', '--max-old-space-size=6000'],
})
