/**
 * Places that many owners share. An owner gets another place only while it has less than a quarter of the free ones: one owner
 * takes a fifth of all places at most, rounded up, five take half to two thirds, and an owner without a place gets one while one
 * is free.
 */
export class Shares<Owner> {
  private taken = 0
  private readonly places = new Map<Owner, number>()

  /** Takes a place out of so many, which {@link give} gives back; false if the owner gets none. */
  take(owner: Owner, outOf: number): boolean {
    const own = this.places.get(owner) ?? 0
    if (own * 4 >= outOf - this.taken) return false
    this.places.set(owner, own + 1)
    this.taken++
    return true
  }

  give(owner: Owner): void {
    const left = (this.places.get(owner) ?? 0) - 1
    if (left > 0) this.places.set(owner, left)
    else this.places.delete(owner)
    this.taken--
  }
}
