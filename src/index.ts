export type { Administered } from './administered.js'
export type {
  AbsentCheck,
  Ask,
  BucketCheck,
  Check,
  ClaimCheck,
  Consequence,
  Decision,
  Judge,
  MaybePromise,
  Plan,
  PresentCheck,
  Receipt,
  RefusalCause,
  Settlement,
  Variant,
  WhenDown,
  WindowCheck,
} from './core/check.js'
export { type Clock, systemClock, type Timers } from './core/clock.js'
export { Digest } from './core/digest.js'
export { type Duration, type DurationUnit, formatDuration, type Ms, parseDuration } from './core/duration.js'
export { SentinelError, type SentinelErrorCode } from './core/errors.js'
export { describe, Facts, type Reading } from './core/facts.js'
export {
  ACTIVITIES,
  type Activity,
  type ActorKind,
  ANONYMOUS_ADMIN_ID,
  CHANNEL_SENDER_ID,
  TELEGRAM_ID,
  UPDATE_KINDS,
  type UpdateKind,
} from './core/kinds.js'
export { formatLimit, type Limit, type LimitInput, parseLimit } from './core/limit.js'
export type { RoleOptions } from './core/roles.js'
export {
  type Key,
  keySubject,
  keyText,
  type Subject,
  type SubjectKind,
  type SubjectRef,
  subject,
  subjectKey,
  textKey,
  userKey,
} from './core/subject.js'
export type { Allowed, DenialReason, Denied, Verdict } from './core/verdict.js'
export type { Listener } from './hooks/events.js'
export {
  type Hook,
  type HookAnswer,
  type HookFunction,
  type HookResult,
  type HookRun,
  type HookSpec,
  type HookTree,
  hooks,
} from './hooks/hook.js'
export type { DossierFacts, DossierSource } from './middleware/auth/dossier-source.js'
export type { Resolution } from './middleware/auth/resolution.js'
export { type AuthOptions, auth } from './middleware/auth.js'
export type { BlockingOptions } from './middleware/block/administration.js'
export type { Blocked, BlockListExport } from './middleware/block/blocked.js'
export { type BlockOptions, block } from './middleware/block.js'
export {
  type DenyOptions,
  type LimitView,
  SentinelControl,
  type SentinelFlavor,
} from './middleware/chain/control.js'
export type { Probe, Step } from './middleware/chain/probe.js'
export { type ComposeOptions, compose } from './middleware/compose.js'
export { type ConcurrencyOptions, concurrency } from './middleware/concurrency.js'
export { type DebounceOptions, debounce } from './middleware/debounce.js'
export type {
  AllowedEvent,
  ChatMigratedEvent,
  DeniedEvent,
  FailureEvent,
  HookEnding,
  HookRanEvent,
  LimitChangedEvent,
  MarkEvent,
  OutgoingLimitedEvent,
  OverdueEvent,
  SentinelEvents,
  SettingsChangedEvent,
  ShadowEvent,
  StorageDownEvent,
  StorageUpEvent,
  WarningEvent,
} from './middleware/events.js'
export type { ExemptOptions } from './middleware/exempt/exemptions.js'
export { exempt } from './middleware/exempt.js'
export { fuse } from './middleware/fuse.js'
export type { Guard, Guardable, GuardDefinition, HandlerAt } from './middleware/guard.js'
export type {
  AfterEvent,
  BeforeEvent,
  DecidingPoints,
  HookAt,
  HookedGuard,
  HookOptions,
  HookPoints,
  TellingPoints,
} from './middleware/hooking/hook-points.js'
export type { LimitState, SimulatedCheck, Simulation } from './middleware/inspection/inspection.js'
export type {
  ListedMember,
  MemberSource,
  ReconcileOptions,
  Reconciliation,
} from './middleware/membership/reconciliation.js'
export type { Transition, TransitionEvent } from './middleware/membership/transitions.js'
export { type MembershipGuard, type MembershipOptions, membership } from './middleware/membership.js'
export { type OnceOptions, once } from './middleware/once.js'
export type { ScopeName } from './middleware/options/scopes.js'
export { requirePermission } from './middleware/permission.js'
export type { Tally } from './middleware/pipeline.js'
export { fromRateLimiter, type PointsLimiter, type RateLimiterOptions } from './middleware/rate-limiter.js'
export type { Denial, DenialContext } from './middleware/refusing/denial.js'
export type { NoticeOptions } from './middleware/refusing/notices.js'
export type { Texts, Translate } from './middleware/refusing/texts.js'
export { type RequireOptions, requireRegistered, requireRole } from './middleware/require.js'
export type { GrantOptions, RoleScope } from './middleware/roles/role-administration.js'
export type { WaitUntil } from './middleware/services/background.js'
export type { AdaptOptions } from './middleware/throttle/adapt.js'
export { rateLimit, type ThrottleOptions, throttle } from './middleware/throttle.js'
export type { SentinelHealth } from './observability/health/data.js'
export type {
  StatsHost,
  StatsPlugin,
  StatsQuery,
  StatsRecorder,
  StatsReport,
  StatsSubject,
} from './observability/stats/contract.js'
export { fromEnv, fromJson, layer, type SentinelOptions } from './options/index.js'
export type { OutgoingOptions } from './outgoing/options.js'
export { type OutgoingEnvironment, outgoing } from './outgoing/outgoing.js'
export type { Outgoing, OutgoingHealth } from './outgoing/transformer.js'
export type {
  ConsideredLimit,
  ExplainedLimit,
  ExplainedPart,
  Explanation,
  LimitOrigin,
} from './policies/explain.js'
export type { PartOrigin } from './policies/layers.js'
export type { LimitChangeOptions, LimitHolder, LimitRegister, StoredLimit } from './policies/limits.js'
export { policy } from './policies/policy.js'
export {
  definePolicy,
  type Policy,
  type PolicyOptions,
  type PolicyOverride,
} from './policies/policy-options.js'
export { Sentinel, sentinel } from './sentinel.js'
export type { ChatSettingsChange, ChatSettingsRegister, ChatSettingsView } from './settings/contract.js'
export type { SettingBounds, SettingsOptions } from './settings/settings-options.js'
export type { SettingsTexts, SettingText, TranslateSetting } from './settings/wording.js'
export { type CombineOptions, combine, type DurableStorage } from './storage/combine.js'
export type { Archive, ArchiveContents, MarkedSubject } from './storage/contract/archive.js'
export type { ChangeListener, StorageChange } from './storage/contract/changes.js'
export type { CircuitHealth, CircuitState } from './storage/contract/condition.js'
export { type SessionStorage, type SessionsOptions, sessionsOver } from './storage/contract/sessions.js'
export type {
  CallsHealth,
  HybridHealth,
  Mark,
  MarkEntry,
  MarkPage,
  Marks,
  Storage,
  StorageHealth,
} from './storage/contract/storage.js'
export type { UserActivity, UserPage, UserRecord, Users } from './storage/contract/users.js'
export type { ValueEntry, ValuePage, Values } from './storage/contract/values.js'
export { type FailoverOptions, failover } from './storage/failover.js'
export type { GrammyAdapter, KeptDocument } from './storage/grammy/documents.js'
export { fromGrammyStorage, type GrammyStorageOptions } from './storage/grammy-storage.js'
export { type HybridOptions, hybrid, type LeasingOptions } from './storage/hybrid.js'
export { type MemoryOptions, memory } from './storage/memory/memory.js'
export {
  type MigratedStep,
  type MigrateOptions,
  type Migration,
  type MigrationProgress,
  migrate,
} from './storage/migrate.js'
export type { ResilientOptions } from './storage/resilient/options.js'
export { resilient } from './storage/resilient.js'
export type { ActivityHealth } from './users/activity.js'
export type { Ownership } from './users/belongings.js'
export type { UserDirectory } from './users/directory.js'
export type { ErasureOptions, ErasureReport, PersonalData } from './users/personal.js'
export type { PreferenceSchema } from './users/preference-reader.js'
export type { PreferenceOptions } from './users/preferences.js'
export type { UserProfile } from './users/profiles.js'
export { ActivityReport, type ReportedUser, type ReportOptions } from './users/report.js'
export type { Preferences } from './users/stored-preferences.js'
export type {
  DrainOptions,
  FastifyAnswer,
  FastifyScope,
  FetchInfo,
  HonoContext,
  IncomingUpdate,
  OutgoingAnswer,
  SignalSource,
  Webhook,
  WebhookOptions,
} from './webhook/index.js'
