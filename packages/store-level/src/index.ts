/**
 * @cloister/store-level: the ordered store of `@cloister/event-log` on LevelDB, a native module. It is a package of its own, so
 * that clients, which read the log's formats and keep no log, install without it.
 */
export { scrubLevelFiles } from './level-files.ts';
export { openLevelReader, openLevelStore } from './store-level.ts';
