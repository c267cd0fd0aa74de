import { connectTcp } from '@fuman/node'
import type { BaseTelegramClientOptions } from '@mtcute/core/client.js'
import { metered, type Traffic } from './calls/traffic.js'
import { PacketCodec } from './codec.js'

/** What all of our mtcute clients have in common: how they connect, and that they print nothing. */
export function platformOf(traffic: Traffic): Pick<BaseTelegramClientOptions, 'platform' | 'transport'> {
  return {
    transport: {
      connect: async ({ ipAddress, port }) =>
        metered(await connectTcp({ address: ipAddress, port }), traffic),
      packetCodec: () => new PacketCodec(),
    },
    platform: {
      beforeExit: () => () => undefined,
      // mtcute's log may contain message texts, so it is dropped; errors are reported as errors.
      log: () => undefined,
      getDefaultLogLevel: () => 0,
      getDeviceModel: () => 'grammy-sentinel',
    },
  }
}
