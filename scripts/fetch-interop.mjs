// Installs what `npm run interop` needs, and no more: npm test does so beside its tests.
import { installed } from './installed.mjs'

await installed('interop')
