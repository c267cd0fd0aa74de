import { transform } from 'esbuild'

const IMPORT = /^import \{([^}]*)\} from "([^"]+)";$/gm

/** Runs a block of a page. Its imports come from `modules`, by the name of the package. */
export async function runPageCode(code: string, modules: ReadonlyMap<string, object>): Promise<void> {
  const { code: plain } = await transform(code, { loader: 'ts', format: 'esm' })
  const body = plain.replaceAll(IMPORT, (_, names: string, from: string) => {
    const inside = names.replaceAll(' as ', ': ')
    return `const {${inside}} = modules.get(${JSON.stringify(from)});`
  })
  expect(body).not.toMatch(/^import /m)
  const Async = Object.getPrototypeOf(runPageCode).constructor as new (
    ...parts: string[]
  ) => (modules: ReadonlyMap<string, object>) => Promise<void>
  await new Async('modules', body)(modules)
}
