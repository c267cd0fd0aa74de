export { closeBroker as default } from './jest-broker.mjs'
