// Writes the API report of each entry point to api-report/. With --check, fails if a written report is outdated. Reads dist: build
// first.
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { CompilerState, Extractor, ExtractorConfig } from '@microsoft/api-extractor'
import { ENTRIES } from './entries.mjs'
import { root } from './run.mjs'

const check = process.argv.includes('--check')
const configPath = join(root, 'api-extractor.json')
/** One compilation for all entry points: one for each would take as long each. */
let compiled
let failed = false

mkdirSync(join(root, 'api-report'), { recursive: true })
for (const [name, entry] of Object.entries(ENTRIES)) {
  const report = `api-report/${name}.api.md`
  if (!existsSync(join(root, entry))) {
    console.error(`${report}: ${entry} is missing; build first`)
    failed = true
    continue
  }
  const configObject = ExtractorConfig.loadFile(configPath)
  configObject.mainEntryPointFilePath = join(root, entry)
  configObject.apiReport.reportFileName = name
  const config = ExtractorConfig.prepare({
    configObject,
    configObjectFullPath: configPath,
    packageJsonFullPath: join(root, 'package.json'),
  })
  let result
  try {
    compiled ??= CompilerState.create(config, { additionalEntryPoints: built() })
    result = Extractor.invoke(config, {
      compilerState: compiled,
      localBuild: !check,
      printApiReportDiff: check,
      messageCallback: (message) => {
        // Reported below in our own words; the version of the bundled compiler does not matter.
        const quiet = ['console-preamble', 'console-compiler-version-notice', 'console-api-report-not-copied']
        if (quiet.includes(message.messageId) || message.logLevel === 'verbose') message.handled = true
      },
    })
  } catch (error) {
    // Thrown for code that tsc has rejected already, or for syntax that the bundled older compiler does not know.
    console.error(`${report}: ${error.message}`)
    failed = true
    continue
  }
  if (result.errorCount > 0) failed = true
  if (!result.apiReportChanged) console.log(`${report}: up to date`)
  else if (!check) console.log(`${report}: written; read the diff before you commit it`)
  else {
    console.error(`${report}: stale; run "npm run api" and commit what it writes`)
    failed = true
  }
}

process.exitCode = failed ? 1 : 0

function built() {
  return Object.values(ENTRIES)
    .map((entry) => join(root, entry))
    .filter((path) => existsSync(path))
}
