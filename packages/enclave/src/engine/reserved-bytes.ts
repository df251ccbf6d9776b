/**
 * Private memory of an engine beyond the image's limit: stacks of threads and reservations of the runtime, which count and
 * are not resident.
 */
export const ENGINE_RESERVED_BYTES: number = 768 * 1024 * 1024;
