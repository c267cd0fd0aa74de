import type { Context } from 'grammy'
import { requireRole, throttle } from 'grammy-sentinel'
import { command, handlers } from 'grammy-sentinel/decorators'

export { handlers }

/** Fields that handle something, and classes that hold something else in them. */
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
