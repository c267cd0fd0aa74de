/** Tests of the storage contract. Published as a part of `grammy-sentinel/testing`. */
export { type ConformanceCase, type StorageOnTrial, storageConformance } from './conformance.js'
