const platform = Object.getOwnPropertyDescriptor(globalThis, 'navigator')

/** Lets all code detect Cloudflare Workers, for the tests of a file or of a group. */
export function onWorkers(): void {
  beforeEach(() => {
    Object.defineProperty(globalThis, 'navigator', {
      value: { userAgent: 'Cloudflare-Workers' },
      configurable: true,
    })
  })
  afterEach(() => {
    if (platform === undefined) Reflect.deleteProperty(globalThis, 'navigator')
    else Object.defineProperty(globalThis, 'navigator', platform)
  })
}
