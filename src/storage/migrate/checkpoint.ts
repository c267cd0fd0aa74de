import { SentinelError } from '../../core/errors.js'
import type { Storage } from '../contract/storage.js'

/** The space of values in the target that holds the checkpoints. */
export const CHECKPOINTS = 'grammy-sentinel.migrate'

interface Kept {
  readonly version: 1
  /** Names of all steps of all runs. Kinds that the source no longer has may still be in the target. */
  readonly kinds?: readonly string[]
  /** Steps that are completely copied. */
  readonly done: readonly string[]
  /** The step in progress and the cursor of its next page. */
  readonly at?: { readonly step: string; readonly from: string; readonly items: number }
  /** When everything was copied and compared, in milliseconds since 1970. */
  readonly completed?: number
}

/**
 * The progress of a migration, stored before the first page and after every page: a run that is resumed repeats at most one page.
 */
export class Checkpoint {
  private constructor(
    private readonly to: Storage,
    private readonly name: string,
    private kept: Kept,
    /** Whether the target had a checkpoint. */
    readonly found: boolean,
  ) {}

  /** Reads the checkpoint. An unreadable one is an error only when resuming. */
  static async read(to: Storage, name: string, resume: boolean): Promise<Checkpoint> {
    const kept = await to.values.get(CHECKPOINTS, name)
    if (kept === undefined) return new Checkpoint(to, name, { version: 1, done: [] }, false)
    if (!isKept(kept)) {
      if (!resume) return new Checkpoint(to, name, { version: 1, done: [] }, true)
      throw new SentinelError(
        'migrate.refused',
        `migrate: the checkpoint "${name}" cannot be read; another version may have written it. Start over with resume: false (--restart).`,
      )
    }
    return new Checkpoint(to, name, kept, true)
  }

  get completed(): number | undefined {
    return this.kept.completed
  }

  isDone(step: string): boolean {
    return this.kept.done.includes(step)
  }

  /** Where a step continues and how many items were already copied. Undefined: from its beginning. */
  positionIn(step: string): { readonly from: string; readonly items: number } | undefined {
    return this.kept.at?.step === step ? this.kept.at : undefined
  }

  /** Names of steps whose items may be in the target. */
  get kinds(): readonly string[] {
    return this.kept.kinds ?? this.kept.done
  }

  /** Records the kinds to be copied, before copying any. */
  async begin(steps: readonly string[]): Promise<void> {
    const kinds = [...new Set([...this.kinds, ...steps])]
    if (kinds.length > (this.kept.kinds ?? []).length) await this.write({ ...this.kept, kinds })
  }

  async reached(step: string, from: string, items: number): Promise<void> {
    await this.write({ ...this.kept, at: { step, from, items } })
  }

  async finished(step: string): Promise<void> {
    const { at: _, done, ...kept } = this.kept
    await this.write({ ...kept, done: [...done, step] })
  }

  async complete(at: number): Promise<void> {
    const { at: _, ...kept } = this.kept
    await this.write({ ...kept, completed: at })
  }

  /** Starts over, but keeps the names of earlier kinds. */
  async reset(): Promise<void> {
    await this.write({ version: 1, kinds: this.kinds, done: [] })
  }

  private async write(kept: Kept): Promise<void> {
    this.kept = kept
    await this.to.values.put(CHECKPOINTS, this.name, kept)
  }
}

function isKept(value: unknown): value is Kept {
  if (typeof value !== 'object' || value === null) return false
  const { version, kinds = [], done, at, completed } = value as Partial<Record<keyof Kept, unknown>>
  const position = at as Readonly<Record<string, unknown>> | undefined
  return (
    version === 1 &&
    [kinds, done].every((names) => Array.isArray(names) && names.every((name) => typeof name === 'string')) &&
    (position === undefined ||
      (typeof position?.step === 'string' &&
        typeof position.from === 'string' &&
        typeof position.items === 'number')) &&
    (completed === undefined || typeof completed === 'number')
  )
}
