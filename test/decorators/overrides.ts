import type { Context } from 'grammy'
import { requireRole, throttle } from 'grammy-sentinel'
import { command, handlers } from 'grammy-sentinel/decorators'

export { handlers }

/** Classes that decorate fields, and classes that override these fields. */
export class Desk {
  readonly log: string[] = []

  @command('ban')
  @requireRole('admin', { deny: 'silent' })
  ban = async (_ctx: Context): Promise<void> => {
    this.log.push('Desk bans')
  }

  @command('count')
  count = async (_ctx: Context): Promise<void> => {
    this.log.push('Desk counts')
  }
}

export class Careless extends Desk {
  override ban = async (_ctx: Context): Promise<void> => {
    this.log.push('Careless bans')
  }
}

export class Other extends Desk {
  @command('kick')
  @throttle({ limit: '1/1h', deny: 'silent' })
  override ban = async (_ctx: Context): Promise<void> => {
    this.log.push('Other kicks')
  }
}

export class Bound extends Desk {
  constructor() {
    super()
    this.count = this.count.bind(this)
    this.ban = this.ban.bind(this)
  }
}

/** A custom decorator, for standard and legacy decorators. */
// biome-ignore lint/suspicious/noExplicitAny: it takes whatever decorators are called with.
function loud(first: any, second: any, third?: any): any {
  const around = (held: (...given: unknown[]) => unknown) =>
    function (this: unknown, ...given: unknown[]) {
      return held.apply(this, given)
    }
  if (typeof second !== 'object') return third?.value && { ...third, value: around(third.value) }
  return second.kind === 'field' ? around : around(first)
}

const admin = () => requireRole('admin', { deny: 'silent' })

class Root {
  readonly log: string[] = []
}

class Methods {
  readonly log: string[] = []

  @command('ban')
  @admin()
  async ban(_ctx: Context): Promise<void> {
    this.log.push('guarded')
  }

  @admin()
  @command('kick')
  async kick(_ctx: Context): Promise<void> {
    this.log.push('guarded')
  }
}

class Fields {
  readonly log: string[] = []

  @admin()
  @command('ban')
  ban = async (_ctx: Context): Promise<void> => {
    this.log.push('guarded')
  }
}

/** Classes that override guarded members with unguarded ones. */
export const LOST = {
  'a field in the place of a method': () =>
    new (class extends Methods {
      override ban = async (_ctx: Context): Promise<void> => {
        this.log.push('open')
      }
    })(),
  'a field in the place of a method whose guard is outermost': () =>
    new (class extends Methods {
      override kick = async (_ctx: Context): Promise<void> => {
        this.log.push('open')
      }
    })(),
  'a getter in the place of a method': () =>
    // TypeScript refuses this, but JavaScript does not.
    new (class extends (Methods as unknown as new () => { readonly log: string[] }) {
      get ban() {
        return async (): Promise<void> => {
          this.log.push('open')
        }
      }
    })(),
  'a function assigned in the constructor, in place of a method': () =>
    new (class extends Methods {
      constructor() {
        super()
        this.ban = async () => {
          this.log.push('open')
        }
        this.kick = this.ban
      }
    })(),
  'a field in the place of one whose guard is outermost': () =>
    new (class extends Fields {
      override ban = async (_ctx: Context): Promise<void> => {
        this.log.push('open')
      }
    })(),
  'a function assigned in the constructor, in place of a field': () =>
    new (class extends Fields {
      constructor() {
        super()
        this.ban = async () => {
          this.log.push('open')
        }
      }
    })(),
}

/** A class that extends one without the field; a custom decorator is outermost. */
export class LoudField extends Root {
  @loud
  @command('ban')
  @admin()
  ban = async (_ctx: Context): Promise<void> => {
    this.log.push('guarded')
  }
}

/** The same, with the field wrapped in the constructor. */
export class WrappingField extends Root {
  @command('ban')
  @admin()
  ban = async (_ctx: Context): Promise<void> => {
    this.log.push('guarded')
  }

  constructor() {
    super()
    const { ban } = this
    this.ban = (ctx) => ban(ctx)
  }
}

/** An override with a registrar, and a custom decorator around it. */
export class Loud extends Methods {
  @loud
  @command('shout')
  override async ban(_ctx: Context): Promise<void> {
    this.log.push('Loud shouts')
  }
}

/** A class whose constructor wraps its own field. */
export class Wrapping {
  readonly log: string[] = []

  @command('ban')
  @admin()
  ban = async (_ctx: Context): Promise<void> => {
    this.log.push('guarded')
  }

  constructor() {
    const { ban } = this
    this.ban = (ctx) => ban(ctx)
  }
}

/** An override with guards of its own, but without a registrar. */
export class Again extends Fields {
  @admin()
  override ban = async (_ctx: Context): Promise<void> => {
    this.log.push('open')
  }
}
