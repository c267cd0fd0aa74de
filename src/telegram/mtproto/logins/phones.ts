import type { Account } from '../../world/accounts.js'

/** Phone numbers of accounts, and the login codes sent to them. */
export class Phones {
  readonly #accounts = new Map<string, Account>()
  readonly #numbers = new Map<Account, string>()
  readonly #codes = new Map<string, string>()

  give(phone: string, account: Account): void {
    const number = phone.replace(/\D/g, '')
    this.#accounts.set(number, account)
    this.#numbers.set(account, number)
  }

  numberOf(account: Account): string | undefined {
    return this.#numbers.get(account)
  }

  accountOf(phone: string): Account | undefined {
    return this.#accounts.get(phone)
  }

  sent(phone: string, code: string): void {
    this.#codes.set(phone, code)
  }

  /** The code that was sent to a phone. */
  codeOf(phone: string): string | undefined {
    return this.#codes.get(phone.replace(/\D/g, ''))
  }
}
