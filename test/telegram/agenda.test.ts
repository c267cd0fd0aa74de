import { Agenda } from '../../src/telegram/world/agenda.js'
import { Stage } from '../middleware/rig.js'

const DAY = 86_400_000

function agendaOf(timers = true) {
  const time = new Stage()
  const start = time.clock()
  const done: string[] = []
  const agenda = new Agenda(time.clock, timers ? time.timers : undefined)
  const add = (in_: number, name: string) => agenda.add(start + in_, () => done.push(name))
  return { time, agenda, done, add, start }
}

test('tasks run when they are due, in the order of their times', () => {
  const { time, done, add } = agendaOf()
  add(30, 'third')
  add(10, 'first')
  add(20, 'second')
  time.advance(9)
  expect(done).toEqual([])
  time.advance(1)
  expect(done).toEqual(['first'])
  time.advance(100)
  expect(done).toEqual(['first', 'second', 'third'])
})

test('without timers, tasks run when doWhatIsDue() is called', () => {
  const { time, agenda, done, add } = agendaOf(false)
  add(10, 'planned')
  time.advance(10)
  expect(done).toEqual([])
  agenda.doWhatIsDue()
  expect(done).toEqual(['planned'])
})

test('tasks that were cancelled, or are still pending when the agenda closes, do not run', () => {
  const { time, agenda, done, add } = agendaOf()
  const callOff = add(10, 'called off')
  add(20, 'kept')
  callOff()
  time.advance(20)
  expect(done).toEqual(['kept'])
  add(50, 'too late')
  agenda.close()
  time.advance(1000)
  expect(done).toEqual(['kept'])
})

test('a task may schedule another', () => {
  const { time, agenda, done, add, start } = agendaOf()
  agenda.add(start + 10, () => add(10, 'at once'))
  time.advance(10)
  expect(done).toEqual(['at once'])
})

test('a delay may be longer than a timer allows', () => {
  const { time, done, add } = agendaOf()
  add(40 * DAY, 'far')
  for (let day = 0; day < 39; day++) time.advance(DAY)
  expect(done).toEqual([])
  time.advance(DAY)
  expect(done).toEqual(['far'])
})

test('of more than 10,000 tasks, the first ones scheduled are dropped', () => {
  const { time, done, add } = agendaOf()
  for (let i = 0; i <= 10_000; i++) add(10, String(i))
  time.advance(10)
  expect(done).toHaveLength(10_000)
  expect(done[0]).toBe('1')
})
