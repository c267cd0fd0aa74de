const platform = Object.getOwnPropertyDescriptor(globalThis, 'navigator')

/** For the tests of a file, or of a group: this is Cloudflare Workers, as far as anybody can tell. */
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
