/** The durable mark of a role whose limit was changed, on a key made of the limit and the role. */
export const ROLE_LIMIT_MARK = 'role-limit'
