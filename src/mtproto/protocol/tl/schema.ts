import { createRequire } from 'node:module'
import { missingPackages } from '../missing-packages.js'

/** Properties of a field beyond its type. */
export interface Modifiers {
  /** `flags.3`: the field is present only if bit 3 of the field `flags` is set. */
  readonly predicate?: string
  readonly isVector?: boolean
  readonly isBareVector?: boolean
  readonly isBareType?: boolean
  /** The only constructor of a bare type. */
  readonly constructorId?: number
}

export interface Field {
  readonly name: string
  readonly type: string
  readonly typeModifiers?: Modifiers
}

/** A constructor or a method of the schema. */
export interface Combinator {
  readonly kind: 'class' | 'method'
  readonly name: string
  readonly id: number
  readonly type: string
  readonly typeModifiers?: Modifiers
  readonly arguments: readonly Field[]
}

/** A TL schema, indexed by id and by name. */
export class Schema {
  readonly #byId = new Map<number, Combinator>()
  readonly #byName = new Map<string, Combinator>()

  constructor(
    combinators: Iterable<Combinator>,
    readonly layer: number,
  ) {
    for (const combinator of combinators) {
      this.#byId.set(combinator.id >>> 0, combinator)
      this.#byName.set(combinator.name, combinator)
    }
  }

  byId(id: number): Combinator | undefined {
    return this.#byId.get(id >>> 0)
  }

  byName(name: string): Combinator | undefined {
    return this.#byName.get(name)
  }

  combinators(): Iterable<Combinator> {
    return this.#byName.values()
  }
}

/** For data without constructors. */
export const NO_SCHEMA = new Schema([], 0)

let shared: Schema | undefined

/**
 * The current schema: the API in the layer of the installed mtcute, and MTProto itself, whose names begin with `mt_`. Loaded on
 * first use, because it has two megabytes.
 *
 * @throws SentinelError `mtproto.missing` if mtcute is not installed.
 */
export function currentSchema(): Schema {
  if (shared !== undefined) return shared
  // A bundle in CommonJS has __filename in place of import.meta.url.
  const load = createRequire(import.meta.url ?? __filename)
  // Within `try` bundlers accept that the package is not installed.
  try {
    const api = load('@mtcute/core/tl/api-schema.json') as {
      readonly l: number
      readonly e: readonly Combinator[]
    }
    const mtp = load('@mtcute/core/tl/mtp-schema.json') as readonly Combinator[]
    shared = new Schema([...mtp, ...LEGACY, ...api.e], api.l)
    return shared
  } catch (cause) {
    throw missingPackages(cause)
  }
}

/** Constructors that older clients still send (https://core.telegram.org/mtproto/auth_key) and the schema no longer has. */
const LEGACY: readonly Combinator[] = [
  legacyInner('mt_p_q_inner_data', 0x83c95aec, false),
  legacyInner('mt_p_q_inner_data_temp', 0x3c6a84d4, true),
  {
    kind: 'method',
    name: 'mt_req_pq',
    id: 0x60469778,
    type: 'ResPQ',
    arguments: [{ name: 'nonce', type: 'int128' }],
  },
  {
    kind: 'class',
    name: 'mt_msg_resend_ans_req',
    id: 0x8610baeb,
    type: 'MsgResendReq',
    arguments: [{ name: 'msg_ids', type: 'long', typeModifiers: { isVector: true } }],
  },
]

function legacyInner(name: string, id: number, expires: boolean): Combinator {
  const fields: Field[] = [
    { name: 'pq', type: 'bytes' },
    { name: 'p', type: 'bytes' },
    { name: 'q', type: 'bytes' },
    { name: 'nonce', type: 'int128' },
    { name: 'server_nonce', type: 'int128' },
    { name: 'new_nonce', type: 'int256' },
  ]
  if (expires) fields.push({ name: 'expires_in', type: 'int' })
  return { kind: 'class', name, id, type: 'P_Q_inner_data', arguments: fields }
}
