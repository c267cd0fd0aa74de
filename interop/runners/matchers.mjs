import { expect } from 'vitest'
import { telegramMatchers } from '../../dist/telegram/index.js'

expect.extend(telegramMatchers)
