import { defineConfig } from 'vitepress'

/** The pages, in the order a newcomer wants them; a test sees that none is left out. */
const SIDEBAR = [
  ['Begin', ['getting-started', 'recipes', 'order', 'options', 'from-others']],
  ['Guards', ['block', 'once', 'auth', 'throttle', 'debounce', 'membership', 'concurrency', 'rate-limiter']],
  ['Denials', ['denials', 'exempt', 'simulate']],
  ['Handlers', ['policies', 'decorators', 'settings', 'hooks']],
  ['People', ['users', 'permissions', 'sessions', 'migrate']],
  ['Storage', ['storage', 'redis', 'postgres', 'sqlite', 'hybrid', 'failure']],
  [
    'In front and behind',
    ['webhook', 'outgoing', 'runtimes', 'mtproto', 'mtproto-files', 'mtproto-sessions'],
  ],
  ['Seen', ['metrics', 'tracing', 'logging', 'health', 'stats']],
  [
    'Tested and measured',
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
