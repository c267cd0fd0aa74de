// A data centre in its own process. Sends its address to the parent process.
import { startTelegram } from '../../src/telegram/index.js'

const telegram = await startTelegram()
const account = telegram.createBot({ username: 'bench_bot' })
const face = await telegram.mtproto()
process.send?.({ ...face.address, token: account.token })
process.on('disconnect', () => process.exit())
