// npm run demo: the example bot, compiled against the built package as a user's own would be.
import { runCompiled } from './compiled.mjs'

await runCompiled({
  project: 'tsconfig.examples.json',
  source: 'examples/demo/main.ts',
  output: '.cache/examples/demo/main.js',
})
