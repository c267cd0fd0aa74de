import { memory } from '../../src/storage/memory/memory.js'
import { conformance } from './conformance.js'

conformance('memory', (clock) => memory({ clock }))
