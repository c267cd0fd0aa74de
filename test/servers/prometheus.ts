import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { guard } from './guardian.js'
import { needPrometheus } from './install.js'
import { freePort } from './ports.js'
import { ServerProcess } from './server-process.js'

export interface PrometheusOptions {
  /** The targets that are scraped five times a second, such as `127.0.0.1:9464`. */
  readonly targets: readonly string[]
  /** The content of a rules file. */
  readonly rules?: string
}

/** A series and its current value. */
export interface QueryResult {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [at: number, value: string]
}

/** A Prometheus for a test, on loopback. */
export interface PrometheusServer {
  readonly url: string
  /** The current result of an expression; rejects with the error in it. */
  query(expression: string): Promise<readonly QueryResult[]>
  stop(): Promise<void>
}

/** Starts a temporary `prometheus`; it answers queries when the promise resolves. */
export async function startPrometheus({ targets, rules }: PrometheusOptions): Promise<PrometheusServer> {
  const { prometheus: program } = await needPrometheus()
  const dir = mkdtempSync(join(tmpdir(), 'sentinel-prometheus-'))
  const guardian = guard(dir)
  const config = {
    global: { scrape_interval: '200ms', scrape_timeout: '200ms', evaluation_interval: '200ms' },
    scrape_configs: [{ job_name: 'bot', static_configs: [{ targets }] }],
    ...(rules !== undefined && { rule_files: ['rules.yml'] }),
  }
  // JSON is YAML.
  writeFileSync(join(dir, 'prometheus.yml'), JSON.stringify(config))
  if (rules !== undefined) writeFileSync(join(dir, 'rules.yml'), rules)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const args = [
    `--config.file=${join(dir, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(dir, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=warn',
  ]
  const server = await ServerProcess.start({
    program,
    args,
    log: join(dir, 'prometheus.log'),
    cwd: dir,
    guardian,
    ending: 'KILL',
  })
  try {
    await server.ready(async () => {
      const answer = await fetch(`${url}/-/ready`).catch(() => undefined)
      return answer?.ok === true
    })
  } catch (error) {
    await guardian.end()
    throw error
  }
  return {
    url,
    async query(expression) {
      const answer = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`)
      const told = (await answer.json()) as { data?: { result: QueryResult[] }; error?: string }
      if (told.data === undefined) throw new Error(`${expression}: ${told.error}`)
      return told.data.result
    },
    async stop() {
      await guardian.end()
      await server.gone()
    },
  }
}
