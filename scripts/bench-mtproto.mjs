// npm run bench:mtproto: encryption, calls, logins and idle clients of MTProto. Needs the garbage collector in hand.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.bench.json',
  source: 'bench/mtproto.ts',
  output: '.cache/bench/bench/mtproto.js',
  nodeArgs: ['--expose-gc'],
})
