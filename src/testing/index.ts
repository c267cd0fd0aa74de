/** Tests of the contract, for whoever keeps it. Published as a part of `grammy-sentinel/testing`. */
export { type ConformanceCase, type StorageOnTrial, storageConformance } from './conformance.js'
