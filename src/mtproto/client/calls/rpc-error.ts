/** How Telegram refuses a call, as mtcute hands it on before it makes an error of it. */
export interface RpcRefusal {
  readonly _: 'mt_rpc_error'
  readonly errorCode: number
  readonly errorMessage: string
}

/** Undefined where the answer is one. */
export function refusalIn(answer: unknown): RpcRefusal | undefined {
  const { _: name } = Object(answer) as { readonly _?: unknown }
  return name === 'mt_rpc_error' ? (answer as RpcRefusal) : undefined
}
