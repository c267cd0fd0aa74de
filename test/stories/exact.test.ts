import { sharedRedis } from '../servers/shared.js'
import { agreesWithModel } from './exact-property.js'
import { inMemory, onRedis } from './story-storages.js'

/*
 * Random stories of whole bots beside a model of what the documentation says: who acts in which kind of update, blocks, registration,
 * redeliveries, debounce, albums, limits of all algorithms and scopes, penalties, roles, limits set at run time, guards in front of
 * handlers, refunds. Every verdict, wait and rest must agree, and so must the answers to taps and checkouts. A failure prints the
 * shortest story that differs, with its seed and path.
 */

test('verdicts, waits and rests are those of the model', () => agreesWithModel(inMemory, 36))

test('also on Redis', async () => agreesWithModel(onRedis(await sharedRedis()), 5))
