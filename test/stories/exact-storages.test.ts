import { sharedRedis } from '../servers/shared.js'
import { agreesWithModel } from './exact-property.js'
import { failoverFromRedis, failoverToMemory, hybridOverFake, hybridOverRedis } from './story-storages.js'

/*
 * The stories of `exact.test.ts` on storages made of several. A worker with hybrid() may repeat a refusal by another check than the
 * first that refuses. With failover() the storage in use decides, and each storage has counted what it decided itself.
 */

test('refusals that are repeated without asking the storage are those of the model', () =>
  agreesWithModel(hybridOverFake, 8))

test('also in front of Redis', async () => agreesWithModel(hybridOverRedis(await sharedRedis()), 3))

test('a second storage takes over and hands back', () => agreesWithModel(failoverToMemory, 8))

test('memory takes over from Redis, too', async () =>
  agreesWithModel(failoverFromRedis(await sharedRedis()), 3))
