import type { Key } from '../../core/subject.js'
import { type Conduct, nameOf } from './conduct.js'

/** Forgets a subject's conduct with every limit, for an erasure. Settled when no change of it is being written. */
export async function forgetConduct(
  { shared }: { readonly shared: { readonly conduct: ReadonlyMap<string, Conduct> } },
  bot: number,
  actor: Key,
): Promise<void> {
  const name = nameOf(bot, actor)
  const changing = [...shared.conduct.values()].map(({ records }) => {
    const record = records.get(name)
    records.delete(name)
    return record?.changing
  })
  await Promise.all(changing)
}
