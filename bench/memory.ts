import { run } from './compare.js'
import { evaluation } from './evaluation.js'
import { wholePath } from './whole-path.js'

/*
 * What the memory storage costs, beside its rivals and in the same run: every figure is a ratio of paired rounds,
 * since machines are noisy and noise comes in stretches that hit neighbours alike. Exits 1 when a target is missed.
 */

const failed = await run([...(await wholePath()), ...(await evaluation())])
process.exit(failed ? 1 : 0)
