// npm run bench:mtproto: encryption, calls, logins and idle clients of MTProto. Needs access to the garbage collector.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/mtproto.ts',
  output: '.cache/bench/bench/mtproto.js',
  nodeArgs: ['--expose-gc'],
})
