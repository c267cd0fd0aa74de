import { Api, InputFile, InputMediaBuilder } from 'grammy'
import type { Message } from 'grammy/types'
import { refusalOf } from './calling.js'
import { alice, api, bot, call, group, telegram, usePlaza } from './plaza.js'

usePlaza('media_bot')

const file = (name: string, content = name) => new InputFile(Buffer.from(content), name)

describe('a file', () => {
  test('is sent as the kind that the method names, with the options of the call', async () => {
    const thumbnail = file('thumbnail.jpg')
    const video = await api.sendVideo(group.id, file('cat.mp4'), {
      width: 1280,
      height: 720,
      duration: 9,
      caption: '<b>Cat</b>',
      parse_mode: 'HTML',
      has_spoiler: true,
      show_caption_above_media: true,
      thumbnail,
    })
    expect(video).toMatchObject({
      video: { width: 1280, height: 720, duration: 9, file_name: 'cat.mp4', thumbnail: { width: 800 } },
      caption: 'Cat',
      caption_entities: [{ type: 'bold', offset: 0, length: 3 }],
      has_media_spoiler: true,
      show_caption_above_media: true,
    })
    expect(await api.sendAudio(group.id, file('song.mp3'), { performer: 'A', title: 'B' })).toMatchObject({
      audio: { performer: 'A', title: 'B', duration: 0 },
    })
    expect(await api.sendVoice(group.id, file('voice.ogg'), { duration: 3 })).toMatchObject({
      voice: { duration: 3 },
    })
    const animation = await api.sendAnimation(group.id, file('cat.gif'))
    expect(animation.document.file_id).toBe(animation.animation.file_id)
    expect(await api.sendVideoNote(group.id, file('note.mp4'), { length: 240 })).toMatchObject({
      video_note: { length: 240 },
    })
    expect(await api.sendSticker(group.id, file('cat.webp'), { emoji: '🐈' })).toMatchObject({
      sticker: { type: 'regular', is_animated: false, is_video: false, emoji: '🐈' },
    })
  })

  test('has the same unique id for the same content, whoever sends it and under whatever name', async () => {
    const bytes = 'the same bytes'
    const one = await api.sendVideo(group.id, file('one.mp4', bytes))
    const two = await api.sendDocument(group.id, file('two.mp4', bytes))
    const photo = await api.sendPhoto(group.id, file('three.jpg', bytes))
    expect(two.document.file_unique_id).toBe(one.video.file_unique_id)
    expect(two.document.file_id).not.toBe(one.video.file_id)
    expect(photo.photo[0]?.file_unique_id).not.toBe(one.video.file_unique_id)
    const another = telegram.createBot({ username: 'another_bot' })
    await alice.in(group).adds(another)
    const theirs = await new Api(another.token, { apiRoot: telegram.apiRoot }).sendVideo(
      group.id,
      file('x.mp4', bytes),
    )
    expect(theirs.video.file_unique_id).toBe(one.video.file_unique_id)
    const got = await api.getFile(one.video.file_id)
    const download = await fetch(`${telegram.apiRoot}/file/bot${bot.token}/${got.file_path}`)
    expect(await download.text()).toBe(bytes)
  })

  test('keeps its own name, whatever other files have the same content', async () => {
    const bytes = 'the same bytes'
    const report = await alice
      .in(group)
      .sendsDocument('report.pdf', { content: bytes, type: 'application/pdf' })
    const virus = await alice.in(group).sendsDocument('virus.exe', { content: bytes })
    const again = await alice
      .in(group)
      .sendsDocument('report.pdf', { content: bytes, type: 'application/pdf' })
    expect(report.document).toMatchObject({ file_name: 'report.pdf', mime_type: 'application/pdf' })
    expect(virus.document).toMatchObject({ file_name: 'virus.exe', mime_type: 'application/octet-stream' })
    expect(again.document).toEqual(report.document)
    expect((await api.sendDocument(group.id, virus.document!.file_id)).document.file_name).toBe('virus.exe')
  })

  test('has the type of its extension', async () => {
    const sent = async (name: string) => (await alice.in(group).sendsDocument(name)).document?.mime_type
    expect(await sent('cv.PDF')).toBe('application/pdf')
    expect(await sent('sums.csv')).toBe('text/csv')
    expect(await sent('LICENSE')).toBe('application/octet-stream')
    const uploaded = await api.sendDocument(group.id, file('notes.txt'))
    expect(uploaded.document.mime_type).toBe('text/plain')
    expect((await api.sendAudio(group.id, file('song.mp3'))).audio.mime_type).toBe('audio/mpeg')
  })

  test('has a path with the folder and extension of its kind', async () => {
    const pathOf = async (id: string) => (await api.getFile(id)).file_path
    const { photo } = await alice.in(group).sendsPhoto('cat')
    expect(await pathOf(photo!.at(-1)!.file_id)).toMatch(/^photos\/file_\d+\.jpg$/)
    const { document } = await alice.in(group).sendsDocument('report.v2.pdf')
    expect(await pathOf(document!.file_id)).toMatch(/^documents\/file_\d+\.pdf$/)
    const { document: bare } = await alice.in(group).sendsDocument('LICENSE')
    expect(await pathOf(bare!.file_id)).toMatch(/^documents\/file_\d+$/)
    expect(await pathOf((await api.sendVoice(group.id, file('a.ogg'))).voice.file_id)).toMatch(
      /^voice\/file_\d+\.oga$/,
    )
    const path = await pathOf(document!.file_id)
    const download = (at: string) => fetch(`${telegram.apiRoot}/file/bot${bot.token}/${at}`)
    expect(await (await download(path!)).text()).toBe('report.v2.pdf')
    for (const wrong of [path!.replace('documents', 'photos'), 'documents/file_1.pdf', 'documents', '../x'])
      expect((await download(wrong)).status).toBe(404)
  })

  test('sent as a photo has several sizes, the smallest first, and only the last is complete', async () => {
    const { photo } = await api.sendPhoto(group.id, file('cat.jpg', 'a picture of a cat'))
    const sizes = photo.map(({ width, file_size }) => [width, file_size])
    expect(sizes).toEqual([
      [90, 2],
      [320, 5],
      [800, 18],
    ])
    expect(new Set(photo.map(({ file_unique_id }) => file_unique_id)).size).toBe(3)
    const downloaded = await Promise.all(
      photo.map(async ({ file_id }) => {
        const { file_path, file_size } = await api.getFile(file_id)
        const response = await fetch(`${telegram.apiRoot}/file/bot${bot.token}/${file_path}`)
        return [file_size, await response.text()]
      }),
    )
    expect(downloaded).toEqual([
      [2, 'a '],
      [5, 'a pic'],
      [18, 'a picture of a cat'],
    ])
    // Any size sends the whole photo.
    expect((await api.sendPhoto(group.id, photo[0]!.file_id)).photo).toEqual(photo)
  })

  test('can be sent again by its id or by its URL', async () => {
    const sent = await api.sendVideo(group.id, file('cat.mp4'))
    const again = await api.sendVideo(group.id, sent.video.file_id)
    expect(again.video.file_id).toBe(sent.video.file_id)
    const linked = await api.sendPhoto(group.id, 'https://example.com/cat.jpg')
    const relinked = await api.sendPhoto(group.id, 'https://example.com/cat.jpg')
    expect(relinked.photo).toEqual(linked.photo)
    expect(await refusalOf(api.sendPhoto(group.id, sent.video.file_id))).toBe(
      "Bad Request: can't use file of type Video as Photo",
    )
    expect(await refusalOf(api.sendPhoto(group.id, 'https://nowhere'))).toBe(
      'Bad Request: wrong HTTP URL specified',
    )
    expect(await call('sendVoice', { chat_id: group.id })).toMatchObject({
      description: 'Bad Request: there is no voice in the request',
    })
    expect(await call('sendVideoNote', { chat_id: group.id })).toMatchObject({
      description: 'Bad Request: there is no video note in the request',
    })
    expect(await refusalOf(api.sendDocument(group.id, file('empty.txt', '')))).toBe(
      'Bad Request: file must be non-empty',
    )
  })
})

describe('an album', () => {
  test('mixes photos and videos', async () => {
    const album = await api.sendMediaGroup(group.id, [
      InputMediaBuilder.photo(file('one.jpg'), { caption: 'Both' }),
      InputMediaBuilder.video(file('two.mp4'), { width: 640, height: 480 }),
    ])
    expect(album).toMatchObject([{ photo: [{}, {}, {}], caption: 'Both' }, { video: { width: 640 } }])
    expect(new Set(album.map((message) => (message as Message).media_group_id)).size).toBe(1)
    const documents = [InputMediaBuilder.document(file('1.txt')), InputMediaBuilder.document(file('2.txt'))]
    expect(await api.sendMediaGroup(group.id, documents)).toHaveLength(2)
  })

  test('is refused as a whole, in the words of Telegram', async () => {
    const before = group.messages.length
    const album = (...media: unknown[]) => refusalOf(api.sendMediaGroup(group.id, media as never))
    const photo = InputMediaBuilder.photo(file('one.jpg'))
    expect(await album()).toBe('Bad Request: there are no messages to send')
    expect(await album(...Array(11).fill(photo))).toBe('Bad Request: too many messages to send as an album')
    expect(await album(photo, InputMediaBuilder.audio(file('song.mp3')))).toBe(
      "Bad Request: Audio can't be mixed with other media types",
    )
    expect(await album(photo, InputMediaBuilder.document(file('1.txt')))).toBe(
      "Bad Request: Document can't be mixed with other media types",
    )
    expect(await album(photo, { type: 'animation', media: 'x' })).toMatch(
      /type "animation" (?:can't be used in sendMediaGroup|is unsupported)/,
    )
    expect(await album(photo, { type: 'photo', media: 'attach://missing' })).toBe(
      "Bad Request: can't parse InputMedia: media not found",
    )
    await alice.in(group).demotes(bot)
    await api.getMe()
    await alice.in(group).permits({ can_send_messages: true, can_send_photos: true })
    expect(await album(photo, InputMediaBuilder.video(file('two.mp4')))).toBe(
      'Bad Request: not enough rights to send videos to the chat',
    )
    expect(group.messages.length).toBe(before)
  })
})

describe('editing', () => {
  test('replaces the media of a message', async () => {
    const sent = await api.sendPhoto(group.id, file('one.jpg'), { caption: 'One' })
    const edited = (await api.editMessageMedia(
      group.id,
      sent.message_id,
      InputMediaBuilder.video(file('two.mp4'), { caption: 'Two' }),
    )) as Message.VideoMessage
    expect(edited).toMatchObject({ video: {}, caption: 'Two', edit_date: expect.any(Number) })
    expect(edited).not.toHaveProperty('photo')
    const text = await api.sendMessage(group.id, 'Soon a picture')
    const pictured = await api.editMessageMedia(
      group.id,
      text.message_id,
      InputMediaBuilder.photo(file('one.jpg')),
    )
    expect(pictured).not.toHaveProperty('text')
    const [first] = await api.sendMediaGroup(group.id, [
      InputMediaBuilder.document(file('1.txt')),
      InputMediaBuilder.document(file('2.txt')),
    ])
    expect(
      await refusalOf(
        api.editMessageMedia(group.id, first!.message_id, InputMediaBuilder.photo(file('one.jpg'))),
      ),
    ).toBe("Bad Request: can't change media type in the album")
    const dice = await api.sendDice(group.id, '🎲')
    expect(
      await refusalOf(
        api.editMessageMedia(group.id, dice.message_id, InputMediaBuilder.photo(file('one.jpg'))),
      ),
    ).toBe("Bad Request: message media can't be edited")
  })

  test('moves a live location until it is stopped or expires', async () => {
    const sent = await api.sendLocation(group.id, 1, 2, { live_period: 60 })
    const moved = await api.editMessageLiveLocation(group.id, sent.message_id, 3, 4)
    expect(moved).toMatchObject({ location: { latitude: 3, longitude: 4, live_period: 60 } })
    const stopped = await api.stopMessageLiveLocation(group.id, sent.message_id)
    expect(stopped).toMatchObject({ location: { latitude: 3 } })
    expect(await refusalOf(api.editMessageLiveLocation(group.id, sent.message_id, 5, 6))).toBe(
      'Bad Request: there is no live location in the message to edit',
    )
    const short = await api.sendLocation(group.id, 1, 2, { live_period: 60 })
    telegram.clock.advance('61s')
    expect(await refusalOf(api.editMessageLiveLocation(group.id, short.message_id, 5, 6))).toBe(
      "Bad Request: message can't be edited",
    )
  })

  test('changes captions and media of ephemeral messages', async () => {
    const sent = await api.sendPhoto(group.id, file('one.jpg'), {
      caption: 'One',
      ephemeral_message_parameters: { receiver_user_id: alice.id },
    })
    const id = sent.ephemeral_message_id!
    await call('editEphemeralMessageCaption', {
      chat_id: group.id,
      receiver_user_id: alice.id,
      ephemeral_message_id: id,
      caption: 'Two',
    })
    expect((await alice.hears('Two')).photo).toEqual(sent.photo)
    const media = { type: 'video', media: (await api.sendVideo(group.id, file('v.mp4'))).video.file_id }
    await call('editEphemeralMessageMedia', {
      chat_id: group.id,
      receiver_user_id: alice.id,
      ephemeral_message_id: id,
      media: { ...media, caption: 'Three' },
    })
    expect(await alice.hears('Three')).toHaveProperty('video')
  })
})
