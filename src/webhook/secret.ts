/** The header that carries `secret_token`, in lower case. */
export const SECRET_HEADER = 'x-telegram-bot-api-secret-token'

/** Whether a header is the secret, in a time that depends on the secret's length alone. */
export function isSecret(given: string | undefined, secret: string): boolean {
  const text = given ?? ''
  let difference = text.length ^ secret.length
  // Past the end of what was given there is NaN, which counts as 0; the lengths have told already.
  for (let i = 0; i < secret.length; i++) difference |= secret.charCodeAt(i) ^ text.charCodeAt(i)
  return difference === 0
}
