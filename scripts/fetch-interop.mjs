// Only installs what `npm run interop` needs; npm test does this in parallel with its tests.
import { installed } from './installed.mjs'

await installed('interop')
