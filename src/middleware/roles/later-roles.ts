import { type Later, later, madeLater, using } from '../../core/later.js'
import type { Subject } from '../../core/subject.js'
import type { Administration } from '../block/administration.js'
import type { Exemptions } from '../exempt/exemptions.js'
import type { Services } from '../services.js'
import type { GrantOptions, RoleAdministration, RoleScope } from './role-administration.js'

const giving = later('guard.grant', () => import('./role-administration.js'))

/** Grants and queries roles. Its module is loaded on first use; later calls begin synchronously. */
export class LaterRoles {
  private readonly roles: Later<RoleAdministration>

  constructor(services: () => Services, exemptions: () => Exemptions, administration: Administration) {
    this.roles = madeLater(
      giving,
      ({ RoleAdministration }) => new RoleAdministration(services, exemptions, administration),
    )
  }

  grant(whom: Subject | readonly Subject[], role: string, options?: GrantOptions): Promise<void> {
    return this.with((roles) => roles.grant(whom, role, options))
  }

  revoke(whom: Subject | readonly Subject[], role: string, scope?: RoleScope): Promise<number> {
    return this.with((roles) => roles.revoke(whom, role, scope))
  }

  hasRole(whom: Subject, role: string, scope?: RoleScope): Promise<boolean> {
    return this.with((roles) => roles.hasRole(whom, role, scope))
  }

  rolesOf(whom: Subject, scope?: RoleScope): Promise<readonly string[]> {
    return this.with((roles) => roles.rolesOf(whom, scope))
  }

  can(whom: Subject, permission: string, scope?: RoleScope): Promise<boolean> {
    return this.with((roles) => roles.can(whom, permission, scope))
  }

  private async with<T>(use: (roles: RoleAdministration) => Promise<T>): Promise<T> {
    return using(this.roles, use)
  }
}
