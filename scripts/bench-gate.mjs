// npm run bench:gate: fails where we have become more than 15 % slower, beside rivals. "--rebaseline" writes what is measured now.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/gate.ts',
  output: '.cache/bench/bench/gate.js',
})
