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

/** Runs code as while a worker is being loaded: timers are forbidden, and all I/O is refused. */
export async function whileLoading<T>(load: () => T): Promise<T> {
  const { setTimeout } = globalThis
  globalThis.setTimeout = (() => {
    throw new Error('Disallowed operation called within global scope.')
  }) as unknown as typeof setTimeout
  try {
    const loaded = load()
    for (let i = 0; i < 100; i++) await undefined
    return loaded
  } finally {
    globalThis.setTimeout = setTimeout
  }
}

/** Rejects while a worker is being loaded, as all I/O does then. Otherwise ends a turn of the event loop later. */
export async function io(): Promise<void> {
  clearTimeout(setTimeout(() => undefined))
  await new Promise((done) => setImmediate(done))
}
