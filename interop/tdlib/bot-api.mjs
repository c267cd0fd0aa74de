/** A method of the Bot API, as a bot on the other face of the same Telegram calls it. */
export async function botApi(telegram, bot, method, params) {
  const isForm = params instanceof FormData
  const response = await fetch(`${telegram.apiRoot}/bot${bot.token}/${method}`, {
    method: 'POST',
    ...(!isForm && { headers: { 'content-type': 'application/json' } }),
    body: isForm ? params : JSON.stringify(params),
  })
  const { ok, result, description } = await response.json()
  if (!ok) throw new Error(`${method}: ${description}`)
  return result
}

export async function fileOf(telegram, bot, fileId) {
  const { file_path } = await botApi(telegram, bot, 'getFile', { file_id: fileId })
  const response = await fetch(`${telegram.apiRoot}/file/bot${bot.token}/${file_path}`)
  return Buffer.from(await response.arrayBuffer())
}

/** All the messages that wait for a bot, which confirms them. */
export async function messagesFor(telegram, bot) {
  const messages = []
  for (let offset = 0; ; ) {
    const updates = await botApi(telegram, bot, 'getUpdates', { offset, timeout: 0 })
    if (updates.length === 0) return messages
    messages.push(...updates.map(({ message }) => message).filter((message) => message !== undefined))
    offset = updates.at(-1).update_id + 1
  }
}
