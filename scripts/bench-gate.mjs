// npm run bench:gate: fails if the package has become more than 15 % slower relative to rivals. "--rebaseline" writes a new baseline.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/gate.ts',
  output: '.cache/bench/bench/gate.js',
})
