import { run } from './compare.js'
import { evaluation } from './evaluation.js'
import { wholePath } from './whole-path.js'

/*
 * Compares the memory storage to its rivals in one run. All figures are ratios of paired rounds, since machines are noisy, and noise
 * comes in stretches that affect neighbouring rounds alike. Exits with 1 if a target is missed.
 */

const failed = run([...(await wholePath()), ...(await evaluation())])
process.exit(failed ? 1 : 0)
