import { defineConfig } from 'vitepress'

/** The pages, in the order a newcomer wants them, in the groups of README.md. */
const SIDEBAR = [
  ['Begin', ['getting-started', 'recipes', 'from-others', 'order', 'options']],
  ['Guards', ['throttle', 'block', 'once', 'auth', 'debounce', 'membership', 'concurrency', 'rate-limiter']],
  ['Refusals', ['denials', 'exempt', 'simulate']],
  ['Handlers', ['policies', 'decorators', 'settings', 'hooks']],
  ['People', ['users', 'permissions', 'sessions']],
  ['Storage', ['storage', 'redis', 'postgres', 'sqlite', 'hybrid', 'failure', 'migrate']],
  [
    'Telegram',
    ['webhook', 'outgoing', 'runtimes', 'mtproto', 'mtproto-guards', 'mtproto-sessions', 'mtproto-files'],
  ],
  ['Monitoring', ['metrics', 'tracing', 'logging', 'health', 'stats']],
  [
    'Tests and benchmarks',
    ['testing', 'testing-reference', 'testing-bot-api', 'benchmarks', 'benchmark-results'],
  ],
]

export default defineConfig({
  title: 'grammy-sentinel',
  description: 'Stands in front of a grammY bot and decides, for every update, whether it may pass.',
  cleanUrls: false,
  lastUpdated: false,
  themeConfig: {
    search: { provider: 'local' },
    nav: [
      { text: 'Guide', link: '/getting-started' },
      { text: 'Reference', link: '/reference/' },
      { text: 'Decisions', link: '/adr/' },
    ],
    sidebar: {
      '/reference/': [{ text: 'Reference', items: JSON.parse(process.env.REFERENCE_PAGES ?? '[]') }],
      '/': SIDEBAR.map(([text, pages]) => ({
        text,
        items: pages.map((page) => ({ text: titleOf(page), link: `/${page}` })),
      })),
    },
    outline: [2, 3],
  },
})

/** As the page itself is headed. */
function titleOf(page) {
  return JSON.parse(process.env.PAGE_TITLES ?? '{}')[page] ?? page
}
