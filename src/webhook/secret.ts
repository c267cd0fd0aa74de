/** The header with `secret_token`, in lower case. */
export const SECRET_HEADER = 'x-telegram-bot-api-secret-token'

/** Compares a header with the secret, in a time that depends only on the length of the secret. */
export function isSecret(given: string | undefined, secret: string): boolean {
  const text = given ?? ''
  let difference = text.length ^ secret.length
  // Beyond the end of `text` charCodeAt() gives NaN, which counts as 0 here; the lengths differ in that case anyway.
  for (let i = 0; i < secret.length; i++) difference |= secret.charCodeAt(i) ^ text.charCodeAt(i)
  return difference === 0
}
