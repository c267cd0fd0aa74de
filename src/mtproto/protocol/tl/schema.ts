import { createRequire } from 'node:module'

/** Of what kind a field is, besides the name of its type. */
export interface Modifiers {
  /** `flags.3`: there only if that bit of that field is set. */
  readonly predicate?: string
  readonly isVector?: boolean
  readonly isBareVector?: boolean
  readonly isBareType?: boolean
  /** The one constructor that a bare type has. */
  readonly constructorId?: number
}

export interface Field {
  readonly name: string
  readonly type: string
  readonly typeModifiers?: Modifiers
}

/** A constructor or a method. */
export interface Combinator {
  readonly kind: 'class' | 'method'
  readonly name: string
  readonly id: number
  readonly type: string
  readonly typeModifiers?: Modifiers
  readonly arguments: readonly Field[]
}

/** What can be written and read. */
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

let shared: Schema | undefined

/**
 * What clients and servers of today speak: the API in the layer that the installed mtcute has, and MTProto itself, whose names begin
 * with `mt_`. Read on first use, since it is two megabytes.
 */
export function currentSchema(): Schema {
  if (shared !== undefined) return shared
  const load = createRequire(import.meta.url)
  const api = load('@mtcute/core/tl/api-schema.json') as {
    readonly l: number
    readonly e: readonly Combinator[]
  }
  const mtp = load('@mtcute/core/tl/mtp-schema.json') as readonly Combinator[]
  shared = new Schema([...mtp, ...LEGACY, ...api.e], api.l)
  return shared
}

/** What clients that are older still send (https://core.telegram.org/mtproto/auth_key); in the schema no longer. */
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
