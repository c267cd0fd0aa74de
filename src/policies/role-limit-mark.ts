/** The durable mark of a role's changed limit; its key is made of the limit's slot and the role. */
export const ROLE_LIMIT_MARK = 'role-limit'
