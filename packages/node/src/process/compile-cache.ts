/**
 * Node keeps compiled code in a folder when the environment names one, and a program then starts in two thirds of the time. Threads
 * and processes that are given an environment of their own are given this with it, and nothing else of ours.
 */
export function compileCacheEnvironment(): { readonly NODE_COMPILE_CACHE?: string } {
  const { NODE_COMPILE_CACHE } = process.env;
  return NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE };
}
