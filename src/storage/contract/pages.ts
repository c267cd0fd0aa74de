import type { MaybePromise } from '../../core/check.js'

/** Yields all pages of a list, each read once the one before was handled. */
export async function* pagesOf<Page extends { readonly next?: string | undefined }>(
  scan: (from: string | undefined) => MaybePromise<Page>,
): AsyncGenerator<Page, void, undefined> {
  let from: string | undefined
  do {
    const page = await scan(from)
    yield page
    from = page.next
  } while (from !== undefined)
}

/** Whether any of these bots holds something. Lists that combine several bots leave out what an earlier bot has listed. */
export async function isHeld(
  bots: readonly number[],
  get: (bot: number) => MaybePromise<unknown>,
): Promise<boolean> {
  for (const bot of bots) if ((await get(bot)) !== undefined) return true
  return false
}
