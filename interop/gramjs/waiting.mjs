/** The first of some updates that is looked for, once it is there. */
export async function until(updates, matches, patience = 30_000) {
  const deadline = Date.now() + patience
  for (;;) {
    const found = updates.find(matches)
    if (found !== undefined) return found
    if (Date.now() > deadline)
      throw new Error(`did not come; came: ${updates.map(({ className }) => className).join(', ')}`)
    await new Promise((done) => setTimeout(done, 20))
  }
}
