import { Bot, Composer, type Context, type Filter } from 'grammy'
import { fuse, requireRegistered, type SentinelFlavor, throttle } from '../../src/index.js'
import { expectType } from './expect.js'

type Flavored = Context & SentinelFlavor

class Shop extends Composer<Flavored> {
  readonly name = 'shop'
}

// fuse() returns the type of its argument.
expectType<Composer<Flavored>>()(fuse(new Composer<Flavored>()))
expectType<Bot<Flavored>>()(fuse(new Bot<Flavored>('1:token')))
expectType<Shop>()(fuse(new Shop()))

fuse(new Composer<Flavored>()).on('message:text', throttle('3/1m'), requireRegistered(), (ctx) => {
  const filtered: Filter<Flavored, 'message:text'> = ctx
  return filtered.msg.text
})

// @ts-expect-error not a composer
fuse({})
// @ts-expect-error a guard is not a composer
fuse(throttle('3/1m'))
