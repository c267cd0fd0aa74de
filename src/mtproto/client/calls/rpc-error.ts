/** A refusal by Telegram, as mtcute passes it on before turning it into an error. */
export interface RpcRefusal {
  readonly _: 'mt_rpc_error'
  readonly errorCode: number
  readonly errorMessage: string
}

/** The refusal in an answer; undefined if the call succeeded. */
export function refusalIn(answer: unknown): RpcRefusal | undefined {
  const { _: name } = Object(answer) as { readonly _?: unknown }
  return name === 'mt_rpc_error' ? (answer as RpcRefusal) : undefined
}
