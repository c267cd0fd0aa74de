/** Address and public key of a CDN data centre. */
export interface CdnAddress {
  readonly dc: number
  readonly host: string
  readonly port: number
  readonly publicKey: string
}
