export { openBroker as default } from './jest-broker.mjs'
