import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'

/** The path of `redis-server`. */
export async function needRedis(): Promise<string> {
  const found = programOnPath('redis-server')
  if (found === undefined) throw new Error('redis-server is missing: install the package redis-server')
  return found
}

/** The path of a program, as a shell would find it. */
export function programOnPath(name: string, path = process.env.PATH ?? ''): string | undefined {
  return path
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(isExecutable)
}

export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    // Whatever keeps us from running it: it is not to be run.
    return false
  }
}

/** The folder of `initdb` and `postgres`. */
export async function needPostgres(): Promise<string> {
  const found = postgresFolder()
  if (found === undefined) throw new Error('postgres is missing: install the package postgresql')
  return found
}

/** Debian keeps them off the PATH, one folder a version; the newest is taken. */
function postgresFolder(): string | undefined {
  const versions = '/usr/lib/postgresql'
  const debian = existsSync(versions)
    ? readdirSync(versions)
        .sort((a, b) => Number(b) - Number(a))
        .map((version) => join(versions, version, 'bin'))
    : []
  const config = programOnPath('pg_config')
  const told = config === undefined ? [] : [execFileSync(config, ['--bindir'], { encoding: 'utf8' }).trim()]
  const onPath = programOnPath('postgres')
  const folders = [...told, ...debian, ...(onPath === undefined ? [] : [dirname(onPath)])]
  return folders.find((folder) => ['initdb', 'postgres'].every((name) => isExecutable(join(folder, name))))
}
