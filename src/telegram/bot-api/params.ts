import { badRequest } from '../world/refusal.js'
import { describedAs } from './described.js'
import type { Upload } from './multipart.js'
import type { MethodName } from './schema/schema.js'

/** Parameters of a call. In forms and query strings every value is a string, with objects as JSON; values are converted when read. */
export class Params {
  readonly #values: ReadonlyMap<string, unknown>

  constructor(values: ReadonlyMap<string, unknown>) {
    this.#values = values
  }

  /** The fields of an object, such as an entry of a list, read like parameters. */
  static of(fields: object): Params {
    return new Params(new Map(Object.entries(fields)))
  }

  has(name: string): boolean {
    const value = this.#values.get(name)
    return value !== undefined && value !== null && value !== ''
  }

  text(name: string): string | undefined {
    const value = this.#values.get(name)
    if (value === undefined || value === null) return undefined
    if (typeof value === 'string') return value
    return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
  }

  /** Undefined if the value is not an integer, as in Telegram. */
  integer(name: string): number | undefined {
    if (!this.has(name)) return undefined
    const number = Number(this.text(name))
    return Number.isSafeInteger(number) ? number : undefined
  }

  number(name: string): number | undefined {
    if (!this.has(name)) return undefined
    const number = Number(this.text(name))
    return Number.isFinite(number) ? number : undefined
  }

  flag(name: string): boolean {
    const value = this.#values.get(name)
    if (typeof value === 'string') return ['true', 'yes', '1'].includes(value.toLowerCase())
    return value === true || value === 1
  }

  /** A boolean, or undefined if absent. */
  maybeFlag(name: string): boolean | undefined {
    return this.has(name) ? this.flag(name) : undefined
  }

  object(name: string): Record<string, unknown> | undefined {
    const value = this.json(name)
    if (value === undefined) return undefined
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw badRequest(`object expected as ${name.replaceAll('_', ' ')}`)
    return value as Record<string, unknown>
  }

  list(name: string): readonly unknown[] | undefined {
    const value = this.json(name)
    if (value === undefined) return undefined
    if (!Array.isArray(value)) throw badRequest(`expected an Array as ${name}`)
    return value
  }

  objects(name: string): readonly Record<string, unknown>[] | undefined {
    return this.list(name)?.map((entry) => {
      if (typeof entry !== 'object' || entry === null)
        throw badRequest(`expected an Array of objects as ${name}`)
      return entry as Record<string, unknown>
    })
  }

  upload(name: string): Upload | undefined {
    const value = this.#values.get(name)
    return isUpload(value) ? value : undefined
  }

  /** Describes the parameters for the call log: files are replaced by descriptions, and the webhook secret is redacted. */
  describe(method: MethodName): Record<string, unknown> {
    const named = new Set<string>()
    const filesIn = (value: unknown, depth = 0): unknown => {
      if (typeof value === 'string') {
        const part = value.startsWith(ATTACHED) ? value.slice(ATTACHED.length) : ''
        const upload = this.upload(part)
        if (upload === undefined) return value
        named.add(part)
        return describeUpload(upload)
      }
      if (typeof value !== 'object' || value === null || depth === DEEPEST) return value
      if (Array.isArray(value)) return value.map((inner) => filesIn(inner, depth + 1))
      const entries = Object.entries(value).map(([name, inner]) => [name, filesIn(inner, depth + 1)])
      return Object.fromEntries(entries)
    }
    const hasUploads = [...this.#values.values()].some(isUpload)
    const described = [...this.#values].map(([name, value]): [string, unknown] => {
      if (isUpload(value)) return [name, describeUpload(value)]
      if (name === 'secret_token') return [name, '[redacted]']
      const read = describedAs(method, name, value)
      return [name, hasUploads ? filesIn(read) : read]
    })
    return Object.fromEntries(described.filter(([name]) => !named.has(name)))
  }

  /** An object or array, parsed if it came as a JSON string. */
  json(name: string): unknown {
    if (!this.has(name)) return undefined
    const value = this.#values.get(name)
    if (typeof value !== 'string') return value
    try {
      return JSON.parse(value)
    } catch {
      const called = name === 'reply_markup' ? 'reply keyboard markup' : name.replaceAll('_', ' ')
      throw badRequest(`can't parse ${called} JSON object`)
    }
  }
}

function isUpload(value: unknown): value is Upload {
  return typeof value === 'object' && value !== null && 'bytes' in value && Buffer.isBuffer(value.bytes)
}

const ATTACHED = 'attach://'
/** Maximum nesting; deeper than any parameter of the Bot API, but a request body may nest further. */
const DEEPEST = 20

function describeUpload({ name, type, bytes }: Upload): Record<string, unknown> {
  return { file_name: name, mime_type: type, file_size: bytes.length }
}
