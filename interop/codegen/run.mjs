// A suite of `npm run interop`: what is committed is what the generator would write.
process.argv.push('--check')
await import('./bot-api.mjs')
