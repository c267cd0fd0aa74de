import type { Update } from 'grammy/types'
import { later } from '../../core/later.js'
import type { Subject } from '../../core/subject.js'
import type { Exemptions } from '../exempt/exemptions.js'
import type { Chain } from '../pipeline.js'
import type { KnownBot } from '../services/bots.js'
import type { Services } from '../services.js'
import type { LimitState, Simulation } from './inspection.js'

type Inspection = typeof import('./inspection.js')

const inspecting = later('guard.peek', (): Promise<Inspection> => import('./inspection.js'))

/** Clears what a subject has used. */
export async function reset(...asked: Parameters<Inspection['reset']>): Promise<void> {
  return (await inspecting.load()).reset(...asked)
}

/** Returns the state of every limit that counts a subject, for one bot. */
export async function peek(
  chain: Chain,
  bot: KnownBot | undefined,
  whom: Subject,
  limit?: string,
): Promise<LimitState[]> {
  return (await inspecting.load()).peek(chain, bot?.id ?? 0, whom, limit)
}

/** Simulates an update of a bot. */
export async function simulate(
  chain: Chain,
  exemptions: Exemptions,
  { bots }: Services,
  update: Update,
): Promise<Simulation> {
  const { simulate } = await inspecting.load()
  return simulate(chain, exemptions, bots.all()[0], update)
}
