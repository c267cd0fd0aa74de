const OS = /(?:^|-)(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)(?:-|$)/
const CPU = /-(arm64|arm|ia32|loong64|mips64el|ppc64|riscv64|s390x|x64)(?:-|$)/

/** Returns the platform binaries that a lock file requires but does not list, with the missing entries. */
export function missingPlatforms(lock) {
  const found = []
  for (const [path, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (isListed(lock.packages, path, name)) continue
      const tail = name.slice(name.indexOf('/') + 1)
      const [, os] = OS.exec(tail) ?? []
      const [, cpu] = CPU.exec(tail) ?? []
      // The names of other optional dependencies do not tell their platform; npm looks these up itself.
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

/** Looks for a package as Node does: next to the dependent package, then level by level up to the root. */
function isListed(packages, from, name) {
  const parts = from.split('/node_modules/')
  for (let depth = parts.length; depth >= 0; depth--) {
    const folder = parts.slice(0, depth).join('/node_modules/')
    if (packages[folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`] !== undefined)
      return true
  }
  return false
}
