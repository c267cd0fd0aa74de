import type { Api } from 'grammy'
import type { Message, User } from 'grammy/types'
import type {
  Payment,
  Person,
  Telegram,
  TelegramBot,
  TelegramChannel,
  TelegramGroup,
} from '../../src/telegram/index.js'
import type { Who } from './cast.js'
import { Forger } from './forger.js'
import type { RareAct } from './rare-acts.js'

/** What the performer of rare acts needs of a town. */
export interface Stage {
  readonly telegram: Telegram
  readonly account: TelegramBot
  readonly owner: Person
  readonly people: readonly Person[]
  readonly group: TelegramGroup
  readonly channel: TelegramChannel
  readonly api: Api
  /** A message with buttons in the group. */
  readonly card: Message
  readonly poll: Message
}

/** Performs rare acts. */
export class RarePerformer {
  private readonly payments: Payment[] = []
  private post: Message | undefined
  private readonly forger: Forger

  constructor(private readonly stage: Stage) {
    this.forger = new Forger(stage)
  }

  async perform(act: RareAct): Promise<void> {
    const { owner, group, channel, card, poll } = this.stage
    switch (act.does) {
      case 'reacts anonymously':
        return owner.in(group).anonymously().reacts(card, act.emoji)
      case 'reacts as the channel':
        return owner.in(group).as(channel).reacts(card, act.emoji)
      case 'votes anonymously':
        return owner.in(group).anonymously().votes(poll, act.option)
      case 'votes as the channel':
        return owner.in(group).as(channel).votes(poll, act.option)
      case 'posts and edits':
        this.post = await owner.in(channel).posts(act.text)
        await owner.in(channel).edits(this.post, `${act.text}!`)
        return
      case 'posts an album':
        await owner.in(channel).sendsAlbum(['p', 'q'])
        return
      case 'reacts to a post':
        return owner.in(channel).reacts(this.post as Message, '👍')
      default:
        return this.performOf(act, this.stage.people[act.who] as Person)
    }
  }

  private async performOf(act: Extract<RareAct, { readonly who: Who }>, person: Person): Promise<void> {
    const { telegram, account, group, api } = this.stage
    switch (act.does) {
      case 'pays':
        this.payments.push(await person.pays(account, { payload: `by ${person.id}`, amount: 5 }))
        return
      case 'gets the money back': {
        const paid = this.payments.find(({ query, receipt }) => query.from.id === person.id && receipt)
        if (paid === undefined) return
        this.payments.splice(this.payments.indexOf(paid), 1)
        const receipt = paid.receipt?.successful_payment
        await api.refundStarPayment(person.id, receipt?.telegram_payment_charge_id as string)
        return
      }
      case 'picks a result': {
        const question = await person.asks(account, act.text)
        const content = { message_text: `result for ${act.text}` }
        const result = { type: 'article', id: 'r', title: 'Result', input_message_content: content } as const
        await api.answerInlineQuery(question.query.id, [result])
        await question.picks('r', group)
        return
      }
      case 'pins a message':
        return person.to(account).pins(await person.to(account).sends('to be pinned'))
      default:
        telegram.deliver(account, this.forger.update(act, userOf(person)))
    }
  }
}

function userOf({ id, firstName }: Person): User {
  return { id, is_bot: false, first_name: firstName }
}
