const OS = /(?:^|-)(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)(?:-|$)/
const CPU = /-(arm64|arm|ia32|loong64|mips64el|ppc64|riscv64|s390x|x64)(?:-|$)/

/** The platform binaries that a lock file asks for and does not list, with the entries it should have. */
export function missingPlatforms(lock) {
  const found = []
  for (const [path, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (isListed(lock.packages, path, name)) continue
      const tail = name.slice(name.indexOf('/') + 1)
      const [, os] = OS.exec(tail) ?? []
      const [, cpu] = CPU.exec(tail) ?? []
      // Other optional dependencies are looked up by npm, and no name tells their platform.
      if (os === undefined || cpu === undefined) continue
      const libc = os === 'linux' ? libcOf(tail) : undefined
      const flags = { ...(entry.dev && { dev: true }), ...(libc && { libc: [libc] }), optional: true }
      found.push([name, { version, cpu: [cpu], ...flags, os: [os] }])
    }
  }
  return found
}

function libcOf(tail) {
  return /musl/.test(tail) ? 'musl' : 'glibc'
}

/** As Node looks for it: beside whoever asks, then a level up, to the root. */
function isListed(packages, from, name) {
  const parts = from.split('/node_modules/')
  for (let depth = parts.length; depth >= 0; depth--) {
    const folder = parts.slice(0, depth).join('/node_modules/')
    if (packages[folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`] !== undefined)
      return true
  }
  return false
}
