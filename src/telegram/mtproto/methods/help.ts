import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Method } from '../call.js'
import type { DataCentre } from '../data-centre.js'

/** In seconds. The configuration does not change during a test. */
const VALID_FOR = 3600

export const HELP = {
  'help.getConfig': ({ centre }) => {
    const date = Math.floor(centre.now() / 1000)
    return {
      _: 'config',
      date,
      expires: date + VALID_FOR,
      test_mode: false,
      // Must be the data centre that the client connected to, or TDLib asks again endlessly.
      this_dc: centre.dc,
      dc_options: [...centre.centres.all().map(optionOf), ...cdnOptions(centre)],
      dc_txt_domain_name: 'apv3.stel.com',
      chat_size_max: 200,
      megagroup_size_max: 200_000,
      forwarded_count_max: 100,
      online_update_period_ms: 210_000,
      offline_blur_timeout_ms: 5000,
      offline_idle_timeout_ms: 30_000,
      online_cloud_timeout_ms: 300_000,
      notify_cloud_delay_ms: 30_000,
      notify_default_delay_ms: 1500,
      push_chat_period_ms: 60_000,
      push_chat_limit: 2,
      edit_time_limit: 172_800,
      revoke_time_limit: 2_147_483_647,
      revoke_pm_time_limit: 2_147_483_647,
      rating_e_decay: 2_419_200,
      stickers_recent_limit: 200,
      channels_read_media_period: 604_800,
      call_receive_timeout_ms: 20_000,
      call_ring_timeout_ms: 90_000,
      call_connect_timeout_ms: 30_000,
      call_packet_timeout_ms: 10_000,
      me_url_prefix: 'https://t.me/',
      caption_length_max: 1024,
      message_length_max: 4096,
      webfile_dc_id: centre.dc,
    }
  },
  'help.getNearestDc': ({ centre }) => ({
    _: 'nearestDc',
    country: 'DE',
    this_dc: centre.dc,
    nearest_dc: centre.centres.network ?? centre.dc,
  }),
  'help.getAppConfig': () => ({ _: 'help.appConfig', hash: 1, config: { _: 'jsonObject', value: [] } }),
  'help.getCdnConfig': ({ centre }) => {
    const { cdn } = centre.view
    const keys = cdn?.address === undefined ? [] : [{ dc_id: cdn.dc, public_key: cdn.address.publicKey }]
    return { _: 'cdnConfig', public_keys: keys.map((key) => ({ _: 'cdnPublicKey', ...key })) }
  },
  'help.getTermsOfServiceUpdate': ({ centre }) => ({
    _: 'help.termsOfServiceUpdateEmpty',
    expires: Math.floor(centre.now() / 1000) + VALID_FOR,
  }),
} as const satisfies Record<string, Method>

function optionOf({ dc, port }: Pick<DataCentre, 'dc' | 'port'>): TlObject {
  return { _: 'dcOption', id: dc, ip_address: '127.0.0.1', port, static: true }
}

function cdnOptions({ view: { cdn } }: DataCentre): TlObject[] {
  return cdn?.address === undefined
    ? []
    : [{ ...optionOf({ dc: cdn.dc, port: cdn.address.port }), cdn: true }]
}
