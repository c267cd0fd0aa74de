import type { MessageEntity } from 'grammy/types'
import type { Ms } from '../../../core/duration.js'
import type { Account } from '../accounts.js'

export interface PollText {
  readonly text: string
  readonly entities?: readonly MessageEntity[] | undefined
}

export interface PollTerms {
  readonly question: PollText
  readonly options: readonly PollText[]
  readonly isAnonymous: boolean
  readonly isQuiz: boolean
  readonly allowsMultiple: boolean
  /** Default: true, except in a quiz. */
  readonly allowsRevoting?: boolean | undefined
  readonly correctIds?: readonly number[] | undefined
  readonly explanation?: PollText | undefined
  /** Time until the poll closes, in seconds. */
  readonly openPeriod?: number | undefined
  /** Unix time in seconds. */
  readonly closeDate?: number | undefined
  readonly isClosed?: boolean | undefined
}

export interface WorldPoll {
  readonly id: string
  readonly terms: PollTerms
  readonly author: Account
  readonly closesAt: Ms | undefined
  /** Chosen options by voter id; without retracted votes. */
  readonly votes: Map<number, readonly number[]>
  isClosed: boolean
  callOffClosing?: () => void
}
