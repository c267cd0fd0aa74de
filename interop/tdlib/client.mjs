import { join } from 'node:path'
import { createBareClient } from 'tdl'

/** TDLib, as one account of ours uses it. */
export class Client {
  /** All that it told of, in order. */
  updates = []
  #waiting = new Set()
  #td = createBareClient()
  #patience

  /** `settings` are options of TDLib by name, such as `use_pfs`, that are on from the start. */
  constructor(name, { folder, proxyPort, patience, settings = [] }) {
    this.name = name
    this.#patience = patience
    this.#td.on('update', (update) => {
      this.updates.push(update)
      for (const look of [...this.#waiting]) look()
    })
    this.#td.on('error', (error) => {
      this.failure = error
      for (const look of [...this.#waiting]) look()
    })
    // Sent before the parameters it is in force before the first connection: nothing of this leaves the machine.
    const proxied = this.call({
      _: 'addProxy',
      proxy: {
        _: 'proxy',
        server: '127.0.0.1',
        port: proxyPort,
        type: { _: 'proxyTypeSocks5', username: '', password: '' },
      },
      enable: true,
      comment: '',
    })
    const set = settings.map((option) =>
      this.call({ _: 'setOption', name: option, value: { _: 'optionValueBoolean', value: true } }),
    )
    this.ready = Promise.all([
      proxied,
      ...set,
      this.call({
        _: 'setTdlibParameters',
        use_test_dc: false,
        database_directory: join(folder, name, 'database'),
        files_directory: join(folder, name, 'files'),
        database_encryption_key: '',
        use_file_database: false,
        use_chat_info_database: false,
        use_message_database: false,
        use_secret_chats: false,
        api_id: 1,
        api_hash: '0123456789abcdef0123456789abcdef',
        system_language_code: 'en',
        device_model: 'interop',
        system_version: 'interop',
        application_version: '1',
      }),
    ])
  }

  /** A method of TDLib; whatever it says no to is thrown, by the method's name. */
  async call(request) {
    try {
      return await this.#within(this.#td.invoke(request), `${request._} to be answered`)
    } catch (error) {
      throw new Error(`${this.name}: ${request._}: ${error.message}`, { cause: error })
    }
  }

  /** The first update that is so, from the given one on; waits for it. */
  update(isIt, what, from = 0) {
    let look
    const found = new Promise((done, failed) => {
      look = () => {
        const update = this.updates.slice(from).find(isIt)
        if (update !== undefined) done(update)
        else if (this.failure !== undefined) failed(this.failure)
      }
      this.#waiting.add(look)
      look()
    })
    return this.#within(found, what).finally(() => this.#waiting.delete(look))
  }

  /** What its login waits for. */
  authorization(state) {
    return this.update(
      ({ _, authorization_state }) => _ === 'updateAuthorizationState' && authorization_state._ === state,
      state,
    )
  }

  /** The texts of a chat that came as new messages, in order. */
  texts(chatId, from = 0) {
    return this.updates
      .slice(from)
      .filter(({ _, message }) => _ === 'updateNewMessage' && message.chat_id === chatId)
      .map(({ message }) => message.content.text?.text)
      .filter((text) => text !== undefined)
  }

  async sends(chatId, text) {
    return this.posts(chatId, { _: 'inputMessageText', text: { _: 'formattedText', text, entities: [] } })
  }

  /** Sends a message, and waits until the server has it. */
  async posts(chatId, content) {
    const from = this.updates.length
    const { id } = await this.call({
      _: 'sendMessage',
      chat_id: chatId,
      input_message_content: content,
    })
    const about = ({ _, old_message_id }) =>
      (_ === 'updateMessageSendSucceeded' || _ === 'updateMessageSendFailed') && old_message_id === id
    const { _, error, message } = await this.update(about, 'word of what it sent', from)
    if (_ === 'updateMessageSendFailed') throw new Error(`${this.name}: sendMessage: ${error.message}`)
    return message
  }

  /** All chats there are: TDLib says 404 when there are no more. */
  async loadAll() {
    for (;;) {
      try {
        await this.call({ _: 'loadChats', chat_list: { _: 'chatListMain' }, limit: 100 })
      } catch (error) {
        if (error.cause?.code === 404) return
        throw error
      }
    }
  }

  /** The texts of a chat, latest first: TDLib itself chooses how many come at once. */
  async history(chatId) {
    const texts = []
    for (let from = 0; ; ) {
      const { messages } = await this.call({
        _: 'getChatHistory',
        chat_id: chatId,
        from_message_id: from,
        offset: 0,
        limit: 100,
        only_local: false,
      })
      if (messages.length === 0) return texts
      texts.push(...messages.map(({ content }) => content.text?.text).filter((text) => text !== undefined))
      from = messages.at(-1).id
    }
  }

  async close() {
    if (this.#td.isClosed()) return
    await this.#within(this.#td.close(), 'the end of the client')
  }

  async #within(promise, what) {
    let timer
    const late = new Promise((_, failed) => {
      timer = setTimeout(() => failed(new Error(`${this.name} waited for ${what} in vain`)), this.#patience)
    })
    try {
      return await Promise.race([promise, late])
    } finally {
      clearTimeout(timer)
    }
  }
}
