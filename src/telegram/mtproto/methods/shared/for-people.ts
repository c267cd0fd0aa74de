import type { AccountMethod } from '../../call.js'
import { badRequest } from '../../rpc-error.js'

type Methods = Readonly<Record<string, AccountMethod>>

/** Methods that refuse bots. */
export function forPeople(methods: Methods): Methods {
  const refusing = ([name, method]: [string, AccountMethod]): [string, AccountMethod] => [
    name,
    (call) => {
      if (call.account.kind === 'bot') throw badRequest('BOT_METHOD_INVALID')
      return method(call)
    },
  ]
  return Object.fromEntries(Object.entries(methods).map(refusing))
}
