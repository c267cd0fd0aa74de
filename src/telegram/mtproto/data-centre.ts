import type { TlObject, TlValue } from '../../mtproto/protocol/tl/object.js'
import { LIMITS } from './connections/limits.js'
import type { DataCentres } from './data-centres.js'
import type { LoginTokens } from './logins/login-tokens.js'
import type { Passwords } from './logins/passwords.js'
import type { Phones } from './logins/phones.js'
import { MtprotoServer } from './server.js'
import type { ClientSession } from './sessions/client-session.js'
import type { WorldView } from './world-view.js'

/** Runs the requests of a data centre's clients. */
export interface Requests {
  run(centre: DataCentre, session: ClientSession, request: TlObject, messageId: bigint): Promise<TlValue>
}

/** A data centre: a server whose clients act in the world. */
export class DataCentre extends MtprotoServer {
  constructor(
    dc: number,
    /** State shared by all data centres of the world. */
    readonly centres: DataCentres,
    private readonly requests: Requests,
    limits = LIMITS,
  ) {
    super(centres.world, dc, centres.key, limits)
    centres.add(this)
  }

  get view(): WorldView {
    return this.centres.view
  }

  get phones(): Phones {
    return this.centres.phones
  }

  get passwords(): Passwords {
    return this.centres.passwords
  }

  get loginTokens(): LoginTokens {
    return this.centres.loginTokens
  }

  override run(session: ClientSession, request: TlObject, messageId: bigint): Promise<TlValue> {
    return this.requests.run(this, session, request, messageId)
  }

  override async close(): Promise<void> {
    this.view.close()
    await super.close()
  }
}
