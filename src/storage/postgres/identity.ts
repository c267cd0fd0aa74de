import { SentinelError } from '../../core/errors.js'
import type { Link } from './link.js'

/** Identifies a schema and the server that it is on. */
export interface Identity {
  /** Differs for a schema that was dropped and created anew, also from a dump. */
  readonly schema: string
  /** When the server was started. Differs for a standby that was promoted, and for a backup that was restored. */
  readonly started: string
  /** The key of the digests of texts. */
  readonly secret: string
}

/**
 * Identifies the schema. Fails if it has no tables.
 *
 * @throws SentinelError `storage.failed`.
 */
export async function identify(link: Link): Promise<Identity> {
  const [row] = await link.query<{ secret: string; names: string; started: string }>(
    `SELECT value AS secret, '${link.s}.names'::regclass::oid::text AS names, extract(epoch FROM pg_postmaster_start_time())::text AS started
     FROM ${link.s}.secrets WHERE name = 'digest'`,
  )
  // Without the secret, texts would have other numbers here than for other workers.
  if (row === undefined) {
    throw new SentinelError(
      'storage.failed',
      `postgres: table ${link.s}.secrets is empty. Restore its row, or drop the schema to begin anew.`,
    )
  }
  const { secret, names, started } = row
  return { schema: `${secret} ${names}`, started, secret }
}

/** The tables of a schema that are ours. Others may be in it as well. */
const TABLES =
  'versions names secrets layouts plans records chunks clocks marks users user_counts user_data values'.split(
    ' ',
  )

/**
 * Checks that this role sees all rows. Hidden rows look like missing ones: blocked users would be admitted.
 *
 * @throws SentinelError `storage.permission`.
 */
export async function checkRowSecurity(link: Link): Promise<void> {
  // By schema and name, so that the server does not look at every table of the database.
  const secured = await link.query<{ id: string }>(
    `SELECT oid::text AS id FROM pg_class
     WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND relname = ANY ($2::name[])
       AND relkind = 'r' AND relrowsecurity AND row_security_active(oid)`,
    [link.schema, TABLES],
  )
  // Some hosts let nobody read the policies.
  if (secured.length === 0) return
  const [row] = await link.query<{ tables: string | null }>(
    `SELECT string_agg(quote_ident(relname), ', ' ORDER BY relname) AS tables
     FROM pg_class c, LATERAL (
       SELECT coalesce(bool_or(polpermissive AND polcmd = '*' AND coalesce(pg_get_expr(polqual, polrelid), 'true') = 'true'
           AND coalesce(pg_get_expr(polwithcheck, polrelid), 'true') = 'true'), false)
         AND bool_and(polpermissive) AS all_rows
       FROM pg_policy WHERE polrelid = c.oid
         AND (0 = ANY (polroles) OR EXISTS (SELECT FROM unnest(polroles) r WHERE pg_has_role(r, 'USAGE')))
     ) p
     WHERE oid = ANY ($1::oid[]) AND NOT all_rows`,
    [secured.map(({ id }) => id)],
  )
  const { tables } = row ?? {}
  if (!tables) return
  throw new SentinelError(
    'storage.permission',
    `postgres: row-level security may hide rows of these tables of schema ${link.s} from this role: ${tables}. Disable it there, give the role BYPASSRLS, or create a policy FOR ALL USING (true) for it.`,
  )
}
