// Looks at the built site in a real Chromium: every page comes up without an error, every link within it leads somewhere, the search finds
// what is there. Arguments: the folder of the site, the folder for screenshots.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { chromium } from 'playwright-core'

const [folder, shots] = process.argv.slice(2)
const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
}
const LOOKED_AT = [
  'index.html',
  'getting-started.html',
  'throttle.html',
  'reference/grammy-sentinel.html',
  'benchmarks.html',
]

const server = createServer((request, response) => {
  const path = normalize(join(folder, decodeURIComponent(new URL(request.url, 'http://x').pathname)))
  const file = existsSync(path) && statSync(path).isDirectory() ? join(path, 'index.html') : path
  if (!path.startsWith(folder) || !existsSync(file)) {
    response.writeHead(404).end()
    return
  }
  response
    .writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' })
    .end(readFileSync(file))
})
await new Promise((done) => server.listen(0, '127.0.0.1', done))
const origin = `http://127.0.0.1:${server.address().port}`
mkdirSync(shots, { recursive: true })

const problems = []
const browser = await chromium.launch({
  executablePath: chromiumPath(),
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
})
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
  page.on('pageerror', (error) => problems.push(`${page.url()}: ${error.message}`))
  page.on('response', (response) => {
    if (response.status() >= 400)
      problems.push(`${page.url()}: ${response.url()} answers ${response.status()}`)
  })
  const pages = readdirSync(folder, { recursive: true }).filter(
    (file) => file.endsWith('.html') && file !== '404.html',
  )
  const anchors = new Map()
  const links = []
  for (const file of pages) {
    await page.goto(`${origin}/${file}`, { waitUntil: 'domcontentloaded' })
    const found = await page.evaluate(() => ({
      ids: [...document.querySelectorAll('[id]')].map(({ id }) => id),
      links: [...document.querySelectorAll('main a[href], .VPHome a[href]')].map(({ href }) => href),
      heading: document.querySelector('h1')?.textContent?.trim() ?? '',
    }))
    if (found.heading === '') problems.push(`${file}: has no heading`)
    anchors.set(`/${file}`, new Set(found.ids))
    links.push(...found.links.map((href) => [file, href]))
    if (LOOKED_AT.includes(file))
      await page.screenshot({ path: join(shots, `${file.replaceAll('/', '-')}.png`) })
  }
  for (const [file, href] of links) {
    const url = new URL(href)
    if (url.origin !== origin) continue
    const path = url.pathname.endsWith('/')
      ? `${url.pathname}index.html`
      : url.pathname.replace(/(\.html)?$/, '.html')
    const ids = anchors.get(path)
    if (ids === undefined) problems.push(`${file}: ${url.pathname} leads nowhere`)
    else if (url.hash !== '' && !ids.has(decodeURIComponent(url.hash.slice(1))))
      problems.push(`${file}: ${url.pathname}${url.hash} is no heading there`)
  }
  await searchFor(page, 'double tap', /debounce/i)
  await searchFor(page, 'sliding window', /throttle/i)
  console.log(`${pages.length} pages, ${links.length} links, 2 searches`)
} finally {
  await browser.close()
  server.close()
}
for (const problem of problems) console.error(problem)
process.exitCode = problems.length > 0 ? 1 : 0

async function searchFor(page, words, expected) {
  await page.goto(`${origin}/getting-started.html`, { waitUntil: 'networkidle' })
  await page.locator('.VPNavBarSearch button').first().click()
  const input = page.locator('.VPLocalSearchBox input')
  await input.waitFor()
  await input.fill(words)
  const first = page.locator('.VPLocalSearchBox .result').first()
  try {
    await first.waitFor({ timeout: 10_000 })
    const found = await page.locator('.VPLocalSearchBox .result').allTextContents()
    await page.screenshot({ path: join(shots, `search-${words.replaceAll(' ', '-')}.png`) })
    if (!found.some((text) => expected.test(text)))
      problems.push(`the search for "${words}" finds ${found.slice(0, 3).join(' | ')}`)
  } catch (error) {
    problems.push(`the search for "${words}" finds nothing: ${error.message}`)
  }
}

function chromiumPath() {
  const known = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
  const find = () => process.env.CHROMIUM ?? known.find((each) => existsSync(each))
  if (find() === undefined && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    console.log('installing chromium')
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const apt = (...args) => execFileSync('apt-get', args, { env, stdio: 'ignore', timeout: 10 * 60_000 })
    apt('-q', 'update')
    apt('-qy', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300', 'install', 'chromium')
  }
  const path = find()
  if (path === undefined) {
    throw new Error(
      'There is no Chromium. Install it (apt-get install chromium), or set CHROMIUM to its path.',
    )
  }
  return path
}
